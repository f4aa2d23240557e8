#!/usr/bin/env python3
"""The other side of the example: a model, a package registry and an API, all of them scripted.

    fakes.py DIRECTORY

Knows nothing of Marque. Each speaks TLS under its own name, demands its own credential (from
DIRECTORY/NAME.key, which only it and Marque's server read), and notes every request in
DIRECTORY/fakes.jsonl before it answers. Prints a line `NAME ADDRESS` for each once all listen, and
ends with its standard input.
"""

import http.server
import json
import pathlib
import ssl
import sys
import threading

PLACE = pathlib.Path(sys.argv[1])
HOSTS = {
    "model": "generativelanguage.googleapis.com",
    "registry": "packages.example",
    "tracker": "tracker.example",
}
# Where each credential stands in a request, and what is before it there.
SLOTS = {
    "model": ("x-goog-api-key", ""),
    "registry": ("authorization", "Bearer "),
    "tracker": ("authorization", "Bearer "),
}
# What the model asks for, one in a turn, and nothing else: what it says last is what came back.
COMMANDS = [
    "git clone -q https://git.demo.test/acme/web && cat web/README.md",
    "curl -sS https://tracker.example/v1/issues/12",
    "npm --registry https://packages.example view left-pad-of-the-example version dist.tarball",
    # What a model that was talked into it would ask for.
    "curl -sS -X DELETE https://tracker.example/v1/issues/12",
    "printenv GEMINI_API_KEY; cat SECRETS/*.key; "
    "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline >processes",
]
PACKAGE = {
    "name": "left-pad-of-the-example",
    "dist-tags": {"latest": "7.4.1"},
    "versions": {
        "7.4.1": {
            "name": "left-pad-of-the-example",
            "version": "7.4.1",
            "dist": {"tarball": "https://packages.example/left-pad-of-the-example/-/a-7.4.1.tgz"},
        }
    },
}
ISSUE = {"id": 12, "title": "The nightly build fails since the comet passed", "state": "open"}

noting = threading.Lock()


def note(line):
    with noting, open(PLACE / "fakes.jsonl", "a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def parts_of(contents):
    return [part for content in contents for part in content.get("parts", [])]


def turn(asked):
    """What the model says next, from what it was told so far."""
    came = [part["functionResponse"] for part in parts_of(asked.get("contents", []))
            if "functionResponse" in part]
    has_tools = any("functionDeclarations" in tool for tool in asked.get("tools", []))
    if not has_tools:
        return {"text": "{}"}
    if len(came) < len(COMMANDS):
        command = COMMANDS[len(came)].replace("SECRETS", str(PLACE))
        arguments = {"command": command, "description": "look it up"}
        return {"functionCall": {"name": "run_shell_command", "args": arguments}}
    outputs = [json.dumps(one.get("response", {}).get("output", "")) for one in came]
    return {"text": "What the tools returned:\n" + "\n".join(outputs)}


def candidate(part):
    return {
        "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP",
                        "index": 0}],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 9, "totalTokenCount": 18},
        "modelVersion": "scripted",
    }


def answer(name, method, path, body):
    """Status, type and body."""
    if name == "model" and ":streamGenerateContent" in path:
        said = "data: " + json.dumps(candidate(turn(json.loads(body)))) + "\r\n\r\n"
        return 200, "text/event-stream", said
    if name == "model" and ":generateContent" in path:
        return 200, "application/json", json.dumps(candidate(turn(json.loads(body))))
    if name == "model" and ":countTokens" in path:
        return 200, "application/json", json.dumps({"totalTokens": 9})
    if name == "registry" and path.split("?")[0] == "/" + PACKAGE["name"]:
        return 200, "application/json", json.dumps(PACKAGE)
    if name == "tracker" and path == "/v1/issues/12":
        return 200, "application/json", json.dumps(ISSUE)
    return 404, "application/json", json.dumps({"error": f"there is no {method} {path}"})


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def serve(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        name = self.server.called
        slot, before = SLOTS[name]
        shown = self.headers.get(slot) or ""
        is_right = shown == before + self.server.key
        note({"host": HOSTS[name], "method": self.command, "path": self.path,
              "is_right": is_right})
        status, kind, text = 401, "application/json", '{"error": "who are you?"}'
        if is_right:
            status, kind, text = answer(name, self.command, self.path, body)
        said = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_PUT = do_DELETE = serve

    def log_message(self, *_):
        pass


def listen(name):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.called = name
    server.key = (PLACE / f"{name}.key").read_text().strip()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PLACE / f"{name}.pem", PLACE / f"{name}.tls")
    server.socket = context.wrap_socket(server.socket, server_side=True,
                                        do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(name, f"127.0.0.1:{server.server_port}", flush=True)


for one in HOSTS:
    listen(one)
print("ready", flush=True)
sys.stdin.read()
