"""python3 run.py LIBRARY CASE INPUT.json

Runs one case with one library and prints what came of it as one line of JSON. Exits 0 where the
case went well, 1 where the server or the library refused (the line says what), 2 where the case
could not be run at all. `peers/README.md` says what the input is.
"""

import json
import sys

import authlib_peer
import pyjwt_peer
from peer import Peer, Refused

LIBRARIES = {"authlib": authlib_peer.CASES, "pyjwt": pyjwt_peer.CASES}


def say(told):
    print(json.dumps(told), flush=True)


def refusal(error):
    """What a server said, or what a library said for itself."""
    told = {"kind": type(error).__name__, "message": str(error)}
    if isinstance(error, Refused):
        told |= {"error": error.code, "status": error.status, "challenge": error.challenge}
    elif isinstance(getattr(error, "error", None), str):
        told |= {"error": error.error, "description": getattr(error, "description", None)}
    return told


def main(words):
    library, case, file = words if len(words) == 3 else (None, None, None)
    act = LIBRARIES.get(library, {}).get(case)
    if act is None:
        known = "\n".join(f"{name}: {', '.join(cases)}" for name, cases in LIBRARIES.items())
        print(f"usage: python3 run.py LIBRARY CASE INPUT.json\n{known}", file=sys.stderr)
        return 2
    with open(file, encoding="utf-8") as text:
        peer = Peer(json.load(text))
    try:
        is_ok, told = True, act(peer)
    except Exception as error:  # Whatever it is, the line says so.
        is_ok, told = False, {"refused": refusal(error)}
    say({"library": library, "case": case, "ok": is_ok, **told, "calls": peer.calls})
    return 0 if is_ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
