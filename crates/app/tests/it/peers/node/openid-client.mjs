// `openid-client` as a client: it discovers, retries with the nonce it is given, and checks what it
// is answered.

import * as client from 'openid-client';

import { JWT_BEARER, TOKEN_EXCHANGE } from './peer.mjs';

export const cases = {
  discover, client_credentials, exchange, jwt_bearer, introspect, introspect_signed, revoke,
  protected: call,
};

async function authentication(peer) {
  const { key, secret, certificate_file } = peer.need('client');
  if (key !== undefined) return client.PrivateKeyJwt(await peer.clientKey());
  if (certificate_file !== undefined) return client.TlsClientAuth();
  return secret === undefined ? client.None() : client.ClientSecretBasic(secret);
}

async function configuration(peer, metadata = {}) {
  const { id, certificate_file } = peer.need('client');
  const known = { use_mtls_endpoint_aliases: certificate_file !== undefined, ...metadata };
  const algorithm = peer.input.discovery ?? 'oauth2';
  const options = { algorithm, [client.customFetch]: peer.fetch };
  const issuer = new URL(peer.need('issuer'));
  return client.discovery(issuer, id, known, await authentication(peer), options);
}

async function proving(peer, config) {
  const keys = await peer.proofKeys();
  return keys === undefined ? {} : { DPoP: client.getDPoPHandle(config, keys) };
}

async function discover(peer) {
  const config = await configuration(peer);
  return { metadata: config.serverMetadata() };
}

async function client_credentials(peer) {
  const config = await configuration(peer);
  const options = await proving(peer, config);
  return { token: await client.clientCredentialsGrant(config, peer.parameters(), options) };
}

async function exchange(peer) {
  const config = await configuration(peer);
  const options = await proving(peer, config);
  const asked = peer.exchangeParameters();
  return { token: await client.genericGrantRequest(config, TOKEN_EXCHANGE, asked, options) };
}

async function jwt_bearer(peer) {
  const config = await configuration(peer);
  const options = await proving(peer, config);
  const asked = peer.parameters('assertion');
  return { token: await client.genericGrantRequest(config, JWT_BEARER, asked, options) };
}

async function introspect(peer) {
  const config = await configuration(peer);
  return { answer: await client.tokenIntrospection(config, peer.need('token')) };
}

// Asked for as a signed token; its signature is checked with the published keys.
async function introspect_signed(peer) {
  const alg = peer.input.introspection_alg ?? 'ES256';
  const config = await configuration(peer, { introspection_signed_response_alg: alg });
  client.enableNonRepudiationChecks(config);
  return { answer: await client.tokenIntrospection(config, peer.need('token')) };
}

async function revoke(peer) {
  const config = await configuration(peer);
  await client.tokenRevocation(config, peer.need('token'));
  return {};
}

async function call(peer) {
  const config = await configuration(peer);
  const options = await proving(peer, config);
  const url = new URL(peer.need('protected_url'));
  const method = peer.input.protected_method ?? 'GET';
  const answer = await client.fetchProtectedResource(
    config, peer.need('token'), url, method, undefined, undefined, options,
  );
  return { status: answer.status, body: await answer.text() };
}
