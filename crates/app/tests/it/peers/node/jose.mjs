// `jose` as an independent verifier of tokens, of proofs and of signed introspection.

import { inflateSync } from 'node:zlib';

import {
  EmbeddedJWK, calculateJwkThumbprint, createRemoteJWKSet, customFetch, decodeJwt,
  decodeProtectedHeader, jwtVerify,
} from 'jose';

import { altered, refused } from './refused.mjs';

export const cases = { verify, refuses, rotate, proof, status };

async function published(peer) {
  const issuer = peer.need('issuer');
  const found = await peer.fetch(`${issuer}/.well-known/oauth-authorization-server`);
  const options = { [customFetch]: peer.fetch };
  // The default is a refetch every half minute at most, whatever keys are asked for.
  if (peer.input.jwks_cooldown_seconds !== undefined) {
    options.cooldownDuration = peer.input.jwks_cooldown_seconds * 1000;
  }
  return createRemoteJWKSet(new URL((await found.json()).jwks_uri), options);
}

function verifier(peer, keys) {
  const { issuer, resource: audience, token_alg = 'ES256', token_type: typ = 'at+jwt' } = peer.input;
  const expected = {
    issuer, audience, typ, algorithms: [token_alg], requiredClaims: peer.input.required_claims,
  };
  return (token, others = {}) => jwtVerify(token, keys, { ...expected, ...others });
}

async function verify(peer) {
  const verified = verifier(peer, await published(peer));
  const { protectedHeader: header, payload: claims } = await verified(peer.need('token'));
  return { header, claims };
}

async function refuses(peer) {
  const [verified, token] = [verifier(peer, await published(peer)), peer.need('token')];
  const { payload } = await verified(token);
  const attempts = {
    wrong_audience: () => verified(token, { audience: 'https://other.test/' }),
    wrong_issuer: () => verified(token, { issuer: 'https://other.test' }),
    wrong_type: () => verified(token, { typ: 'dpop+jwt' }),
    wrong_alg: () => verified(token, { algorithms: ['PS256'] }),
    expired: () => verified(token, { currentDate: new Date(payload.exp * 1000) }),
  };
  for (const [name, text] of Object.entries(altered(token))) attempts[name] = () => verified(text);
  return { refused: await refused(attempts) };
}

// The old token, then the one that the other half says once it has rotated, then the old one.
async function rotate(peer) {
  const [verified, old] = [verifier(peer, await published(peer)), peer.need('token')];
  await verified(old);
  const next = await peer.next('a token of the next key');
  const { protectedHeader } = await verified(next);
  await verified(old);
  const old_kid = decodeProtectedHeader(old).kid;
  if (protectedHeader.kid === old_kid) throw new Error('both tokens are of one key');
  return { old_kid, new_kid: protectedHeader.kid };
}

// A DPoP proof (RFC 9449) that somebody else made: by the key in it, which the token is bound to.
async function proof(peer) {
  const expected = { typ: 'dpop+jwt', algorithms: ['ES256'] };
  const verified = await jwtVerify(peer.need('proof'), EmbeddedJWK, expected);
  const thumbprint = await calculateJwkThumbprint(verified.protectedHeader.jwk);
  const bound = decodeJwt(peer.need('token')).cnf?.jkt;
  if (bound !== thumbprint) throw new Error('the token is bound to another key');
  return { header: verified.protectedHeader, claims: verified.payload, thumbprint };
}

// What the status list that a token names says of it (draft-ietf-oauth-status-list).
async function status(peer) {
  const keys = await published(peer);
  const { payload: { status } } = await verifier(peer, keys)(peer.need('token'));
  const { idx, uri } = status.status_list;
  const list = await peer.fetch(uri, { headers: { accept: 'application/statuslist+jwt' } });
  const expected = { typ: 'statuslist+jwt', algorithms: ['ES256'], subject: uri };
  const { payload: { iat, exp, ttl, status_list } } = await jwtVerify(await list.text(), keys, expected);
  const { bits, lst } = status_list;
  const bytes = inflateSync(Buffer.from(lst, 'base64url'));
  const [byte, shift] = [bytes[Math.floor(idx * bits / 8)], idx * bits % 8];
  if (byte === undefined) throw new Error('the list has no such place');
  const kind = list.headers.get('content-type');
  return { status: byte >> shift & (1 << bits) - 1, kind, ttl, life: exp - iat };
}
