// A service that lets in whoever has a token of Marque for it.
//
//   NODE_EXTRA_CA_CERTS=issuer-ca.pem node resource_server.mjs ISSUER AUDIENCE [PORT]

import { createServer } from 'node:http';

import { Refused, Verifier } from './verify.mjs';

const [issuer, audience, port = '8802'] = process.argv.slice(2);
const verifier = new Verifier(issuer, audience);

createServer(async (request, response) => {
  try {
    const claims = await verifier.verify(request.method, request.url, request.headers);
    if (!(claims.scope ?? '').split(' ').includes('invoices:read')) {
      throw new Refused('insufficient_scope', 'it lacks `invoices:read`', 403);
    }
    // Whose authority is used, and who presents it: the outermost actor, else the subject itself.
    response.end(`${claims.act?.sub ?? claims.sub} for ${claims.sub}\n`);
  } catch (refused) {
    if (!(refused instanceof Refused)) {
      response.writeHead(500).end();
      return;
    }
    const why = refused.message.replace(/[^ !#-[\]-~]/g, '');
    const error = refused.code ? ` error="${refused.code}", error_description="${why}"` : '';
    response.writeHead(refused.status, { 'www-authenticate': `DPoP${error}` }).end();
  }
}).listen(Number(port), '127.0.0.1', () => console.error(`${audience} on port ${port}`));
