// node server.mjs SETTINGS.json
//
// The authorization server `oidc-provider` as the benchmark compares it: what a service that issues
// tokens to machines needs, everything else left out. Listens in TLS, prints its version and port as
// one line of JSON, and serves until it is killed.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:https';

import { Memory } from './memory.mjs';

// Node 20 lacks it; the library uses it on DPoP proofs.
URL.parse ??= (text, base) => (URL.canParse(text, base) ? new URL(text, base) : null);

const { Provider } = await import('oidc-provider');
const { exportJWK, generateKeyPair } = await import('jose');

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));

// Tokens for a resource are signed, or kept: the library looks up no signed token, neither to
// introspect nor to revoke it.
const resource = (format) => ({
  scope: settings.scope,
  accessTokenTTL: 300,
  accessTokenFormat: format,
  ...(format === 'jwt' && { jwt: { sign: { alg: 'ES256' } } }),
});

const { signer, holder } = settings;
const machine = {
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  introspection_signed_response_alg: 'ES256',
};
const clients = [
  {
    ...machine,
    client_id: signer.id,
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'ES256',
    jwks: { keys: [{ ...signer.jwk, kid: signer.kid, alg: 'ES256', use: 'sig' }] },
  },
  {
    ...machine,
    client_id: holder.id,
    token_endpoint_auth_method: 'client_secret_basic',
    client_secret: holder.secret,
  },
];

const { privateKey } = await generateKeyPair('ES256', { extractable: true });
const signing = { ...(await exportJWK(privateKey)), kid: 'one', alg: 'ES256', use: 'sig' };

const provider = new Provider(settings.issuer, {
  adapter: Memory,
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  clients,
  jwks: { keys: [signing] },
  scopes: settings.scope.split(' '),
  clientAuthMethods: ['private_key_jwt', 'client_secret_basic'],
  responseTypes: [],
  routes: settings.routes,
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    jwtIntrospection: { enabled: true },
    revocation: { enabled: true, allowedPolicy: () => true },
    userinfo: { enabled: false },
    dPoP: {
      enabled: true,
      nonceSecret: randomBytes(32),
      requireNonce: () => true,
    },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_ctx, indicator) => (
        resource(indicator === settings.kept_resource ? 'opaque' : 'jwt')
      ),
    },
  },
});
provider.on('server_error', (_ctx, error) => console.error(error));

const { version } = createRequire(import.meta.url)('oidc-provider/package.json');
const [cert, key] = [settings.certificate_file, settings.key_file].map((file) => readFileSync(file));
const server = createServer({ cert, key, keepAliveTimeout: 300_000 }, provider.callback());
server.listen(settings.port, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ version, node: process.version, port: server.address().port })}\n`);
});
