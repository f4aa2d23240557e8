// Answers every request, and writes down what it saw of it: one JSON document a line.
//
//   node echo.js FILE WAY PEM INNER PORT…    WAY is `plain`, `tls` or `http2`; at INNER it is plain
//   node echo.js                             says how the URL standard reads what standard input lists
'use strict';
const fs = require('fs');
const http = require('http');
const http2 = require('http2');
const https = require('https');
const [file, way, pem, inner, ...ports] = process.argv.slice(2);

// The URL standard's reading of a path: no dot segments, no backslashes.
function pathOf(target) {
  try {
    return new URL(target, 'http://echo.test').pathname;
  } catch {
    return target;
  }
}

function hostOf(spelling) {
  try {
    return new URL(`http://${spelling}/`).host;
  } catch {
    return '';
  }
}

function answer(port, request, response) {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    // Over HTTP/2 a body that was broken off ends as well.
    if (request.aborted) return;
    const fields = request.rawHeaders.filter((_, place) => place % 2 === 0);
    const seen = {
      port: String(port),
      status: '200',
      version: request.httpVersion,
      case: request.headers['x-case'] ?? '',
      method: request.method,
      target: request.url,
      path: pathOf(request.url),
      host: request.headers[':authority'] ?? request.headers.host ?? '',
      cookie: request.headers.cookie ?? '',
      body: Buffer.concat(chunks).toString('latin1'),
      fields: fields.map((name) => name.toLowerCase()),
    };
    fs.appendFileSync(file, JSON.stringify(seen) + '\n');
    response.end('seen');
  });
}

function create(way, handler) {
  if (way === 'plain') return http.createServer(handler);
  const keys = { key: fs.readFileSync(pem), cert: fs.readFileSync(pem) };
  if (way === 'tls') return https.createServer(keys, handler);
  return http2.createSecureServer({ ...keys, allowHTTP1: true }, handler);
}

function serve(way, port) {
  const server = create(way, (request, response) => answer(port, request, response));
  server.listen(Number(port), '127.0.0.1');
}

if (file === undefined) {
  const spellings = JSON.parse(fs.readFileSync(0, 'utf8'));
  process.stdout.write(JSON.stringify(spellings.map(hostOf)));
} else {
  serve('plain', inner);
  ports.forEach((port) => serve(way, port));
}
