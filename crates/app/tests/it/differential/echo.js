// Answers every request, and writes down what it saw of it: one JSON document a line.
//
//   node echo.js FILE PORT…      or, to say how the URL standard reads what standard input lists:
//   node echo.js
'use strict';
const fs = require('fs');
const http = require('http');
const [file, ...ports] = process.argv.slice(2);

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

function serve(port) {
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const fields = request.rawHeaders.filter((_, place) => place % 2 === 0);
      const seen = {
        port: String(port),
        status: '200',
        case: request.headers['x-case'] ?? '',
        method: request.method,
        target: request.url,
        path: pathOf(request.url),
        host: request.headers.host ?? '',
        body: Buffer.concat(chunks).toString('latin1'),
        fields: fields.map((name) => name.toLowerCase()),
      };
      fs.appendFileSync(file, JSON.stringify(seen) + '\n');
      response.end('seen');
    });
  });
  server.listen(Number(port), '127.0.0.1');
}

if (file === undefined) {
  const spellings = JSON.parse(fs.readFileSync(0, 'utf8'));
  process.stdout.write(JSON.stringify(spellings.map(hostOf)));
} else {
  ports.forEach(serve);
}
