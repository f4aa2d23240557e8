// Tokens and requests that a verifier must refuse.

// Spoilt copies of a good token.
export function altered(token) {
  const [head, claims, signature] = token.split('.');
  const read = (part) => JSON.parse(Buffer.from(part, 'base64url'));
  const print = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const wider = print({ ...read(claims), scope: `${read(claims).scope ?? ''} admin`.trim() });
  const bytes = Buffer.from(signature, 'base64url');
  bytes[bytes.length - 1] ^= 1;
  return {
    altered_claims: [head, wider, signature].join('.'),
    altered_signature: [head, claims, bytes.toString('base64url')].join('.'),
    other_type: [print({ ...read(head), typ: 'JWT' }), claims, signature].join('.'),
    unknown_key: [print({ ...read(head), kid: 'nobody' }), claims, signature].join('.'),
    unsecured: [print({ ...read(head), alg: 'none' }), claims, ''].join('.'),
  };
}

// Why each attempt was refused, by its name. One that succeeds is an error.
export async function refused(attempts) {
  const told = {};
  for (const [name, attempt] of Object.entries(attempts)) {
    const done = await attempt().then(() => undefined, (error) => error);
    if (done === undefined) throw new Error(`\`${name}\` is not refused`);
    told[name] = `${done.code ?? done.name}: ${done.message}`;
  }
  return told;
}
