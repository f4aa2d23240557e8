"""Tokens that a verifier must refuse."""

import base64
import json


def altered(token):
    """Spoilt copies of a good token."""
    head, claims, signature = token.split(".")
    wider = _read(claims)
    wider["scope"] = f"{wider.get('scope', '')} admin".strip()
    flipped = bytearray(_decode(signature))
    flipped[-1] ^= 1
    return {
        "altered_claims": ".".join([head, _print(wider), signature]),
        "altered_signature": ".".join([head, claims, _encode(bytes(flipped))]),
        "other_type": ".".join([_print(_read(head) | {"typ": "JWT"}), claims, signature]),
        "unknown_key": ".".join([_print(_read(head) | {"kid": "nobody"}), claims, signature]),
        "unsecured": ".".join([_print(_read(head) | {"alg": "none"}), claims, ""]),
    }


def refused(attempts):
    """Why each attempt was refused, by its name. One that succeeds is an error."""
    told = {}
    for name, attempt in attempts.items():
        try:
            attempt()
        except Exception as error:  # A library refuses with whatever it likes.
            told[name] = f"{type(error).__name__}: {error}"
        else:
            raise AssertionError(f"`{name}` is not refused")
    return told


def _decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _read(part):
    return json.loads(_decode(part))


def _print(value):
    return _encode(json.dumps(value).encode())
