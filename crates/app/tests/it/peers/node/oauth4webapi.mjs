// `oauth4webapi` as a client, and as a service that verifies tokens and proofs.

import * as oauth from 'oauth4webapi';

import { JWT_BEARER, TOKEN_EXCHANGE } from './peer.mjs';
import { altered, refused } from './refused.mjs';

export const cases = {
  discover, client_credentials, exchange, jwt_bearer, introspect, introspect_signed, revoke,
  protected: call, verify, refuses,
};

async function server(peer) {
  const issuer = new URL(peer.need('issuer'));
  const options = { algorithm: peer.input.discovery ?? 'oauth2', [oauth.customFetch]: peer.fetch };
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
}

async function authentication(peer) {
  const { key, secret, certificate_file } = peer.need('client');
  if (key !== undefined) return oauth.PrivateKeyJwt(await peer.clientKey());
  if (certificate_file !== undefined) return oauth.TlsClientAuth();
  return secret === undefined ? oauth.None() : oauth.ClientSecretBasic(secret);
}

// Who talks to whom, as every function of the library wants it.
async function begin(peer) {
  const { id, certificate_file } = peer.need('client');
  const client = { client_id: id, use_mtls_endpoint_aliases: certificate_file !== undefined };
  const keys = await peer.proofKeys();
  const options = { [oauth.customFetch]: peer.fetch };
  if (keys !== undefined) options.DPoP = oauth.DPoP(client, keys);
  return { as: await server(peer), client, auth: await authentication(peer), options };
}

// Once more where the server wants its nonce in the proof.
async function withNonce(act) {
  try {
    return await act();
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    return act();
  }
}

async function discover(peer) {
  return { metadata: await server(peer) };
}

async function client_credentials(peer) {
  const { as, client, auth, options } = await begin(peer);
  const token = await withNonce(async () => oauth.processClientCredentialsResponse(
    as, client, await oauth.clientCredentialsGrantRequest(as, client, auth, peer.parameters(), options),
  ));
  return { token };
}

async function grant(peer, type, parameters) {
  const { as, client, auth, options } = await begin(peer);
  const token = await withNonce(async () => oauth.processGenericTokenEndpointResponse(
    as, client, await oauth.genericTokenEndpointRequest(as, client, auth, type, parameters, options),
  ));
  return { token };
}

function exchange(peer) {
  return grant(peer, TOKEN_EXCHANGE, peer.exchangeParameters());
}

function jwt_bearer(peer) {
  return grant(peer, JWT_BEARER, peer.parameters('assertion'));
}

async function introspect(peer) {
  const { as, client, auth, options } = await begin(peer);
  const response = await oauth.introspectionRequest(as, client, auth, peer.need('token'), options);
  return { answer: await oauth.processIntrospectionResponse(as, client, response) };
}

async function introspect_signed(peer) {
  const { as, client, auth, options } = await begin(peer);
  const asked = { ...options, requestJwtResponse: true };
  const alg = peer.input.introspection_alg ?? 'ES256';
  const known = { ...client, introspection_signed_response_alg: alg };
  const response = await oauth.introspectionRequest(as, known, auth, peer.need('token'), asked);
  const answer = await oauth.processIntrospectionResponse(as, known, response);
  await oauth.validateApplicationLevelSignature(as, response, options);
  return { answer };
}

async function revoke(peer) {
  const { as, client, auth, options } = await begin(peer);
  const response = await oauth.revocationRequest(as, client, auth, peer.need('token'), options);
  await oauth.processRevocationResponse(response);
  return {};
}

async function call(peer) {
  const { options } = await begin(peer);
  const [url, method] = [new URL(peer.need('protected_url')), peer.input.protected_method ?? 'GET'];
  const token = peer.need('token');
  const answer = await withNonce(
    () => oauth.protectedResourceRequest(token, method, url, undefined, undefined, options),
  );
  return { status: answer.status, body: await answer.text() };
}

// A request as a service receives it: one that the library signs itself for the given key, caught
// before it leaves.
async function received(peer, token, keys) {
  const [url, method] = [new URL(peer.need('protected_url')), peer.input.protected_method ?? 'GET'];
  let caught;
  const options = {
    [oauth.customFetch]: async (to, { headers }) => {
      caught = new Request(to, { method, headers });
      return new Response();
    },
  };
  if (keys !== undefined) options.DPoP = oauth.DPoP({}, keys);
  await oauth.protectedResourceRequest(token, method, url, undefined, undefined, options);
  return caught;
}

function verifier(peer, as) {
  // Those of tokens and of proofs alike.
  const signingAlgorithms = [peer.input.token_alg ?? 'ES256', 'ES256'];
  const options = { [oauth.customFetch]: peer.fetch, signingAlgorithms };
  return (request, audience = peer.need('resource'), more = {}) => (
    oauth.validateJwtAccessToken(as, request, audience, { ...options, ...more })
  );
}

// The token, and where a proof key is given the proof of the request it comes in.
async function verify(peer) {
  const [as, keys] = [await server(peer), await peer.proofKeys()];
  const request = await received(peer, peer.need('token'), keys);
  return { claims: await verifier(peer, as)(request) };
}

async function refuses(peer) {
  const [as, keys, token] = [await server(peer), await peer.proofKeys(), peer.need('token')];
  const verified = verifier(peer, as);
  const request = await received(peer, token, keys);
  await verified(request);
  const other = { ...as, issuer: `${as.issuer}/other` };
  const attempts = {
    wrong_audience: () => verified(request, 'https://other.test/'),
    wrong_issuer: () => verifier(peer, other)(request),
    wrong_alg: () => verified(request, undefined, { signingAlgorithms: ['PS256'] }),
  };
  for (const [name, text] of Object.entries(altered(token))) {
    attempts[name] = async () => verified(await received(peer, text, keys));
  }
  if (keys !== undefined) {
    const strangers = await oauth.generateKeyPair('ES256');
    attempts.wrong_proof_key = async () => verified(await received(peer, token, strangers));
    attempts.no_proof = async () => verified(await received(peer, token, undefined));
    attempts.proof_for_other_url = async () => {
      const elsewhere = new URL('/other', request.url);
      return verified(new Request(elsewhere, { headers: request.headers }));
    };
  }
  return { refused: await refused(attempts) };
}
