// Fetches a token of Marque and calls a service with it, with `openid-client`.
//
//   NODE_EXTRA_CA_CERTS=issuer-ca.pem node client.mjs ISSUER CLIENT_ID KEY_FILE RESOURCE [URL]
//
// KEY_FILE is a P-256 key in PKCS#8 PEM, as `MARQUE_KEY_FILE` names it. URL is RESOURCE where
// nothing else is said.

import { readFile } from 'node:fs/promises';

import { calculateJwkThumbprint, exportJWK, importPKCS8 } from 'jose';
import * as client from 'openid-client';

const [issuer, id, file, resource, url = resource] = process.argv.slice(2);

// The server knows the key by its thumbprint, and takes assertions for its issuer alone.
const key = await importPKCS8(await readFile(file, 'utf8'), 'ES256', { extractable: true });
const { kty, crv, x, y } = await exportJWK(key);
const kid = await calculateJwkThumbprint({ kty, crv, x, y });
const authentication = client.PrivateKeyJwt({ key, kid }, {
  [client.modifyAssertion]: (_header, claims) => { claims.aud = issuer; },
});

const options = { algorithm: 'oauth2' };
if (issuer.startsWith('http://127.0.0.1')) options.execute = [client.allowInsecureRequests];
const config = await client.discovery(new URL(issuer), id, {}, authentication, options);

// The token is bound to a fresh key; `openid-client` retries with the nonces that it is given.
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'));
const asked = { resource, scope: 'invoices:read' };
const token = await client.clientCredentialsGrant(config, asked, { DPoP });

const call = (at) => client.fetchProtectedResource(
  config, token.access_token, new URL(at), 'GET', undefined, undefined, { DPoP },
);
const answer = await call(url);
console.log(answer.status, (await answer.text()).trim());
