"""Verifies a token of Marque, with PyJWT: signature, class, issuer, audience, time, and the proof
that whoever sends it holds its key (RFC 9449 section 4.3)."""

import base64
import hashlib
import json
import threading
import time
import urllib.parse

import jwt
import requests

PROOF_AGE_MAX_SECS = 300
PROOFS_MAX = 100_000
REQUIRED = ["iss", "aud", "sub", "client_id", "iat", "exp", "jti"]


class Refused(Exception):
    def __init__(self, code, description, status=401):
        super().__init__(description)
        self.code, self.status = code, status


class Verifier:
    def __init__(self, issuer, audience, ca_file=None):
        self.issuer, self.audience = issuer, audience
        self.origin = urllib.parse.urljoin(audience, "/").rstrip("/")
        self.ca = ca_file or True
        self.keys, self.fetched = {}, None
        # The names of proofs that were used, and until when they count. One process: replicas need
        # a store that they share, or server nonces.
        self.used = {}
        self.lock = threading.Lock()
        # Nobody remembers what was used before the start.
        self.started = int(time.time())

    def verify(self, method, path, authorization, proofs):
        """`authorization` is the one field of that name, `proofs` all fields called `DPoP`."""
        words = (authorization or "").split(" ")
        if len(words) != 2 or words[0].lower() != "dpop":
            raise Refused(None, "present an access token with `DPoP`")
        token = words[1]
        claims = self._claims(token)
        # A token that is bound to nothing, or to a certificate, is not for this service.
        bound = (claims.get("cnf") or {}).get("jkt")
        if not isinstance(bound, str):
            raise Refused("invalid_token", "it is not bound to a key")
        self._proof(method, path, proofs, token, bound)
        return claims

    def _claims(self, token):
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != "at+jwt" or "crit" in header:
                raise jwt.InvalidTokenError("it is no access token")
            return jwt.decode(
                token,
                self._key(header.get("kid")),
                algorithms=["ES256", "RS256"],
                issuer=self.issuer,
                audience=self.audience,
                # One audience, as a text.
                options={"require": REQUIRED, "strict_aud": True},
            )
        except (jwt.PyJWTError, requests.RequestException) as problem:
            raise Refused("invalid_token", str(problem)) from problem

    def _proof(self, method, path, proofs, token, bound):
        def bad(why):
            return Refused("invalid_dpop_proof", why)

        if len(proofs) != 1:
            raise bad("send one `DPoP` field")
        try:
            header = jwt.get_unverified_header(proofs[0])
            jwk = header.get("jwk")
            if header.get("typ") != "dpop+jwt" or not isinstance(jwk, dict) or "d" in jwk:
                raise bad("it is no proof")
            if thumbprint(jwk) != bound:
                raise bad("another key")
            claims = jwt.decode(
                proofs[0],
                jwt.PyJWK(jwk, algorithm="ES256").key,
                algorithms=["ES256"],
                options={"require": ["jti", "htm", "htu", "iat", "ath"]},
                leeway=60,
            )
        except jwt.PyJWTError as problem:
            raise bad(str(problem)) from problem
        target = self.origin + path.split("?")[0]
        if claims["htm"] != method or claims["htu"] != target:
            raise bad("another request")
        if claims["ath"] != base64url(hashlib.sha256(token.encode()).digest()):
            raise bad("another token")
        now = int(time.time())
        if not max(self.started, now - PROOF_AGE_MAX_SECS) <= claims["iat"] <= now + 60:
            raise bad("not made now")
        self._use_up((bound, claims["jti"]), claims["iat"] + PROOF_AGE_MAX_SECS + 1, now)

    def _use_up(self, name, until, now):
        """Full means refused: forgetting would let a proof be used twice."""
        with self.lock:
            if len(self.used) >= PROOFS_MAX:
                self.used = {old: over for old, over in self.used.items() if over > now}
            if name in self.used:
                raise Refused("invalid_dpop_proof", "used before")
            if len(self.used) >= PROOFS_MAX:
                raise Refused("temporarily_unavailable", "full", 503)
            self.used[name] = until

    def _key(self, kid):
        """Fetched for an unknown name, but not twice in ten seconds; kept for an hour at most."""
        with self.lock:
            age = None if self.fetched is None else time.monotonic() - self.fetched
            if age is None or age > 3600 or (kid not in self.keys and age > 10):
                self.fetched = time.monotonic()
                self.keys = self._fetch()
            if kid not in self.keys:
                raise jwt.InvalidTokenError("its key is not one that the issuer publishes")
            return self.keys[kid]

    def _fetch(self):
        def read(url):
            answer = requests.get(url, timeout=5, verify=self.ca, allow_redirects=False)
            answer.raise_for_status()
            return answer.json()

        metadata = read(self.issuer + "/.well-known/oauth-authorization-server")
        origins = {urllib.parse.urljoin(url, "/") for url in (self.issuer, metadata["jwks_uri"])}
        if metadata["issuer"] != self.issuer or len(origins) != 1:
            raise jwt.InvalidTokenError("the metadata is that of another issuer")
        keys = jwt.PyJWKSet.from_dict(read(metadata["jwks_uri"])).keys
        return {key.key_id: key.key for key in keys}


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def thumbprint(jwk):
    """RFC 7638, of a key on P-256, which is what proofs here are made with."""
    members = {name: jwk.get(name) for name in ("crv", "kty", "x", "y")}
    text = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return base64url(hashlib.sha256(text.encode()).digest())
