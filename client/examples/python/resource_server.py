"""A service that lets in whoever has a token of Marque for it.

    python3 resource_server.py ISSUER AUDIENCE [CA_FILE] [PORT]
"""

import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from marque_verify import Refused, Verifier


class Handler(BaseHTTPRequestHandler):
    verifier = None

    def do_GET(self):
        try:
            claims = self.verifier.verify(
                self.command,
                self.path,
                self.headers.get("authorization"),
                self.headers.get_all("dpop", []),
            )
            if "invoices:read" not in claims.get("scope", "").split(" "):
                raise Refused("insufficient_scope", "it lacks `invoices:read`", 403)
        except Refused as refused:
            why = re.sub(r'[^ !#-\[\]-~]', "", str(refused))
            error = f' error="{refused.code}", error_description="{why}"' if refused.code else ""
            self.send_response(refused.status)
            self.send_header("www-authenticate", "DPoP" + error)
            self.send_header("content-length", "0")
            self.end_headers()
            return
        # Whose authority is used, and who presents it: the outermost actor, else the subject.
        presenter = claims.get("act", claims)["sub"]
        body = f"{presenter} for {claims['sub']}\n".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    issuer, audience, ca_file, port = (sys.argv[1:] + [None, None])[:4]
    Handler.verifier = Verifier(issuer, audience, ca_file)
    print(f"{audience} on port {port or 8803}", file=sys.stderr)
    ThreadingHTTPServer(("127.0.0.1", int(port or 8803)), Handler).serve_forever()


main()
