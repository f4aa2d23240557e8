// Verifies a token of Marque, with `jose`: signature, class, issuer, audience, time, and the proof
// that whoever sends it holds its key (RFC 9449 section 4.3).

import { createHash } from 'node:crypto';
import {
  EmbeddedJWK, calculateJwkThumbprint, createRemoteJWKSet, decodeProtectedHeader, jwtVerify,
} from 'jose';

const PROOF_AGE_MAX_SECS = 300;
const PROOFS_MAX = 100_000;

export class Refused extends Error {
  constructor(code, description, status = 401) {
    super(description);
    this.code = code;
    this.status = status;
  }
}

export class Verifier {
  #keys;
  // The names of proofs that were used, and until when they count. One process: replicas need a
  // store that they share, or server nonces.
  #used = new Map();
  // Nobody remembers what was used before the start.
  #started = Math.floor(Date.now() / 1000);

  constructor(issuer, audience) {
    this.issuer = issuer;
    this.audience = audience;
    this.origin = new URL(audience).origin;
  }

  // `method` and `path` as the request line has them, `headers` as `node:http` gives them.
  async verify(method, path, headers) {
    const [scheme, token, ...rest] = (headers.authorization ?? '').split(' ');
    if (scheme.toLowerCase() !== 'dpop' || !token || rest.length > 0) {
      throw new Refused(undefined, 'present an access token with `DPoP`');
    }
    const claims = await this.#claims(token);
    // A token that is bound to nothing, or to a certificate, is not for this service.
    if (typeof claims.cnf?.jkt !== 'string') throw new Refused('invalid_token', 'it is not bound');
    await this.#proof(method, path, headers.dpop, token, claims.cnf.jkt);
    return claims;
  }

  async #claims(token) {
    try {
      const { payload } = await jwtVerify(token, await this.#jwks(), {
        issuer: this.issuer,
        audience: this.audience,
        typ: 'at+jwt',
        algorithms: ['ES256', 'RS256'],
        requiredClaims: ['iss', 'aud', 'sub', 'client_id', 'iat', 'exp', 'jti'],
      });
      // One audience, as a text: `jose` also takes a list that has ours among others.
      if (payload.aud !== this.audience) throw new Error('it is for others as well');
      return payload;
    } catch (problem) {
      throw new Refused('invalid_token', problem.message);
    }
  }

  async #proof(method, path, proof, token, jkt) {
    const bad = (why) => new Refused('invalid_dpop_proof', why);
    // `node:http` joins repeated fields with a comma, which no proof has.
    if (typeof proof !== 'string' || proof.includes(',')) throw bad('send one `DPoP` field');
    let payload;
    try {
      ({ payload } = await jwtVerify(proof, EmbeddedJWK, {
        typ: 'dpop+jwt',
        algorithms: ['ES256', 'RS256', 'Ed25519', 'EdDSA'],
        requiredClaims: ['jti', 'htm', 'htu', 'iat', 'ath'],
      }));
    } catch (problem) {
      throw bad(problem.message);
    }
    const { jwk } = decodeProtectedHeader(proof);
    if (await calculateJwkThumbprint(jwk) !== jkt) throw bad('another key');
    const htu = this.origin + path.split('?')[0];
    if (payload.htm !== method || payload.htu !== htu) throw bad('another request');
    if (payload.ath !== createHash('sha256').update(token).digest('base64url')) {
      throw bad('another token');
    }
    const now = Math.floor(Date.now() / 1000);
    if (payload.iat < now - PROOF_AGE_MAX_SECS || payload.iat > now + 60) throw bad('not now');
    if (payload.iat < this.#started) throw bad('from before the start of this service');
    this.#useUp(`${jkt} ${payload.jti}`, payload.iat + PROOF_AGE_MAX_SECS + 1, now);
  }

  // Full means refused: forgetting would let a proof be used twice.
  #useUp(name, until, now) {
    if (this.#used.size >= PROOFS_MAX) {
      for (const [old, over] of this.#used) if (over <= now) this.#used.delete(old);
    }
    if (this.#used.has(name)) throw new Refused('invalid_dpop_proof', 'used before');
    if (this.#used.size >= PROOFS_MAX) throw new Refused('temporarily_unavailable', 'full', 503);
    this.#used.set(name, until);
  }

  // Where the keys are: once, from the metadata of the issuer. `jose` fetches and keeps them, and
  // on an unknown `kid` fetches again, with a pause between.
  async #jwks() {
    if (this.#keys === undefined) {
      const url = `${this.issuer}/.well-known/oauth-authorization-server`;
      const answer = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(5000) });
      const metadata = await answer.json();
      const jwks = new URL(metadata.jwks_uri);
      if (metadata.issuer !== this.issuer || jwks.origin !== new URL(this.issuer).origin) {
        throw new Error('the metadata is that of another issuer');
      }
      this.#keys = createRemoteJWKSet(jwks, { cooldownDuration: 10_000, cacheMaxAge: 3_600_000 });
    }
    return this.#keys;
  }
}
