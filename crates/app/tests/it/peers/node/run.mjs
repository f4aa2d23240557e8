// node run.mjs LIBRARY CASE INPUT.json
//
// Runs one case with one library and prints what came of it as one line of JSON. Exits 0 where the
// case went well, 1 where the server or the library refused (the line says what), 2 where the case
// could not be run at all. `peers/README.md` says what the input is.

import { readFileSync } from 'node:fs';

import * as jose from './jose.mjs';
import * as oauth4webapi from './oauth4webapi.mjs';
import * as openidClient from './openid-client.mjs';
import { Peer } from './peer.mjs';

const LIBRARIES = { jose, oauth4webapi, 'openid-client': openidClient };

const say = (told) => process.stdout.write(`${JSON.stringify(told)}\n`);

const [library, name, file] = process.argv.slice(2);
const act = LIBRARIES[library]?.cases[name];
if (act === undefined || file === undefined) {
  const known = Object.entries(LIBRARIES).map(([of, { cases }]) => `${of}: ${Object.keys(cases)}`);
  process.stderr.write(`usage: node run.mjs LIBRARY CASE INPUT.json\n${known.join('\n')}\n`);
  process.exit(2);
}
const peer = new Peer(JSON.parse(readFileSync(file, 'utf8')));
try {
  const told = await act(peer);
  say({ library, case: name, ok: true, ...told, calls: peer.calls });
  process.exit(0);
} catch (error) {
  say({ library, case: name, ok: false, refused: refusal(error), calls: peer.calls });
  process.exit(1);
}

// What a server said, or what a library said for itself.
function refusal(error) {
  const { name: kind, code, message, error: oauth, error_description: description } = error;
  const cause = error.cause instanceof Error ? refusal(error.cause) : undefined;
  const challenges = Array.isArray(error.cause) ? error.cause : undefined;
  const { status } = error;
  return { kind, code, message, error: oauth, description, status, challenges, cause };
}
