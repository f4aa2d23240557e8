// What all cases need: the input, keys as the libraries want them, and calls that are written down.

import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { createInterface } from 'node:readline';

import { importJWK } from 'jose';

// How long a case waits for its other half.
const PATIENCE_MILLIS = 20_000;

export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
export const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

export class Peer {
  constructor(input) {
    this.input = input;
    // One text for each call: `POST /oauth/token 400 use_dpop_nonce`.
    this.calls = [];
    this.fetch = this.#fetch.bind(this);
  }

  // A member of the input without which the case makes no sense.
  need(name) {
    const found = this.input[name];
    if (found === undefined) throw new TypeError(`the input has no \`${name}\``);
    return found;
  }

  // The client's key, and the name it is registered under.
  async clientKey() {
    const { key, kid, alg = 'ES256' } = this.need('client');
    return { key: await importJWK(inJson(key), alg), kid: kid ?? key.kid };
  }

  // The key of DPoP proofs: the one of the input, or else none.
  async proofKeys() {
    if (this.input.proof_key === undefined) return undefined;
    const { d, ...open } = inJson(this.input.proof_key);
    const publicKey = await importJWK(open, 'ES256', { extractable: true });
    return { privateKey: await importJWK({ d, ...open }, 'ES256'), publicKey };
  }

  // What the input asks of the token endpoint beside the grant itself.
  parameters(...more) {
    const names = ['resource', 'scope', 'authorization_details', ...more];
    const asked = names.filter((name) => this.input[name] !== undefined);
    return Object.fromEntries(asked.map((name) => [name, this.input[name]]));
  }

  exchangeParameters() {
    return {
      subject_token_type: ACCESS_TOKEN,
      ...(this.input.actor_token && { actor_token_type: ACCESS_TOKEN }),
      ...this.parameters(
        'subject_token', 'subject_token_type', 'actor_token', 'actor_token_type',
        'requested_token_type', 'audience',
      ),
    };
  }

  // Tells the other half that the first step is done; what it says then.
  async next(told) {
    process.stdout.write(`${JSON.stringify({ waiting: told })}\n`);
    const signal = AbortSignal.timeout(PATIENCE_MILLIS);
    const lines = createInterface({ input: process.stdin, signal });
    for await (const line of lines) return line;
    throw new Error('the other half says nothing');
  }

  async #fetch(url, options = {}) {
    const certificate = this.input.client?.certificate_file;
    const send = certificate === undefined ? fetch : fetchWith(this.input);
    const response = await send(url, options);
    const told = response.ok ? undefined : await reason(response.clone());
    const call = [options.method ?? 'GET', new URL(url).pathname, response.status, told];
    this.calls.push(call.filter((word) => word !== undefined).join(' '));
    return response;
  }
}

// A private key as JSON: it comes in PEM or is JSON already.
function inJson(key) {
  return typeof key === 'string' ? createPrivateKey(key).export({ format: 'jwk' }) : key;
}

async function reason(response) {
  const body = await response.json().catch(() => ({}));
  return body.error ?? /error="([^"]*)"/.exec(response.headers.get('www-authenticate'))?.[1];
}

// The fetch of Node takes no certificate of a client.
function fetchWith({ ca_file, client }) {
  const files = [ca_file, client.certificate_file, client.certificate_key_file];
  const [ca, cert, key] = files.map((file) => readFileSync(file));
  const agent = new Agent({ ca, cert, key });
  return (url, { method = 'GET', headers, body, signal }) => new Promise((resolve, reject) => {
    const fields = Object.fromEntries(new Headers(headers));
    const sent = request(url, { agent, method, headers: fields, signal });
    sent.on('response', (answer) => answered(answer).then(resolve, reject));
    sent.on('error', reject);
    sent.end(body?.toString());
  });
}

async function answered(answer) {
  const body = Buffer.concat(await answer.toArray());
  const each = ([name, values]) => [values].flat().map((value) => [name, value]);
  const headers = Object.entries(answer.headers).flatMap(each);
  return new Response(body, { status: answer.statusCode, headers });
}
