"""PyJWT as a verifier, and with `requests` as a client that signs its own assertions and proofs."""

import hashlib
import json
import secrets
import ssl
import time
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode

import jwt
import requests
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm

from peer import JWT_BEARER, PATIENCE, TOKEN_EXCHANGE, Peer, Refused
from refused import altered, refused

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# How long an assertion of a client is good, in seconds.
LIFETIME = 60


class Client:
    """The client of the input: knows where things are, and proves itself."""

    def __init__(self, peer):
        self.peer = peer
        self.session = peer.prepare(requests.Session())
        self.metadata = peer.discover(self.session)

    def post(self, endpoint, form, **headers):
        url = self.peer.endpoint(self.metadata, endpoint)
        client = self.peer.need("client")
        if "key" in client:
            proof = {"client_assertion": self.assertion(client)}
            form = form | proof | {"client_assertion_type": ASSERTION_TYPE}
            return self._send(url, form, headers)
        if "certificate_file" in client or "secret" not in client:
            return self._send(url, form | {"client_id": client["id"]}, headers)
        return self._send(url, form, headers, auth=(client["id"], client["secret"]))

    def _send(self, url, form, headers, **more):
        return self.session.post(url, data=form, headers=headers, timeout=PATIENCE, **more)

    def assertion(self, client):
        now = int(time.time())
        claims = {
            "iss": client["id"], "sub": client["id"], "aud": self.metadata["issuer"],
            "iat": now, "exp": now + LIFETIME, "jti": secrets.token_urlsafe(16),
        }
        header = {"typ": "client-authentication+jwt"}
        if "kid" in client:
            header["kid"] = client["kid"]
        key, alg = private_key(client["key"]), client.get("alg", "ES256")
        return jwt.encode(claims, key, alg, headers=header)

    def grant(self, grant_type, parameters):
        url = self.peer.endpoint(self.metadata, "token_endpoint")
        form = {"grant_type": grant_type} | parameters
        heard = self.post("token_endpoint", form, **prove(self.peer, "POST", url))
        if heard.status_code == 400 and heard.json().get("error") == "use_dpop_nonce":
            proof = prove(self.peer, "POST", url, nonce=heard.headers["DPoP-Nonce"])
            heard = self.post("token_endpoint", form, **proof)
        return {"token": Peer.json_of(heard)}

    def published(self):
        """The published keys as PyJWT reads and keeps them."""
        trust = ssl.create_default_context(cafile=self.peer.need("ca_file"))
        return jwt.PyJWKClient(self.metadata["jwks_uri"], ssl_context=trust, timeout=PATIENCE)


def private_key(key):
    """A private key that comes in PEM or as JSON."""
    if isinstance(key, str):
        return load_pem_private_key(key.encode(), password=None)
    return jwt.PyJWK(key).key


def prove(peer, method, url, nonce=None, token=None):
    """The header field of a DPoP proof; none where the input has no key for it."""
    if "proof_key" not in peer.given:
        return {}
    key = private_key(peer.given["proof_key"])
    claims = {"jti": secrets.token_urlsafe(16), "htm": method, "htu": url, "iat": int(time.time())}
    if nonce:
        claims["nonce"] = nonce
    if token:
        digest = hashlib.sha256(token.encode()).digest()
        claims["ath"] = urlsafe_b64encode(digest).rstrip(b"=").decode()
    open_key = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    header = {"typ": "dpop+jwt", "jwk": open_key}
    return {"DPoP": jwt.encode(claims, key, "ES256", headers=header)}


def discover(peer):
    return {"metadata": Client(peer).metadata}


def client_credentials(peer):
    return Client(peer).grant("client_credentials", peer.parameters())


def exchange(peer):
    return Client(peer).grant(TOKEN_EXCHANGE, peer.exchange_parameters())


def jwt_bearer(peer):
    return Client(peer).grant(JWT_BEARER, peer.parameters("assertion"))


def introspect(peer):
    heard = Client(peer).post("introspection_endpoint", {"token": peer.need("token")})
    return {"answer": Peer.json_of(heard)}


def introspect_signed(peer):
    client = Client(peer)
    accept = {"Accept": "application/token-introspection+jwt"}
    heard = client.post("introspection_endpoint", {"token": peer.need("token")}, **accept)
    if not heard.ok:
        raise Refused(heard)
    verified = Verifier(peer, client)(
        heard.text,
        typ="token-introspection+jwt",
        aud=peer.get("introspection_audience", peer.need("client")["id"]),
        required=["iss", "aud", "iat"],
    )
    return {"answer": verified["payload"]["token_introspection"]}


def revoke(peer):
    heard = Client(peer).post("revocation_endpoint", {"token": peer.need("token")})
    if not heard.ok:
        raise Refused(heard)
    return {}


class Verifier:
    """Verifies signed tokens with the published keys."""

    def __init__(self, peer, client=None):
        self.peer = peer
        self.keys = (client or Client(peer)).published()

    def __call__(self, text, typ="at+jwt", **other):
        key = self.keys.get_signing_key_from_jwt(text)
        required = ["iss", "aud", "exp", "sub", "client_id", "iat", "jti"]
        verified = jwt.decode_complete(
            text, key,
            algorithms=[other.get("alg", self.peer.get("token_alg", "ES256"))],
            issuer=other.get("iss", self.peer.need("issuer")),
            audience=other.get("aud", self.peer.get("resource")),
            options={"require": other.get("required", required)},
        )
        if verified["header"].get("typ") != typ:
            raise ValueError("a token of another type")
        return verified


def verify(peer):
    verified = Verifier(peer)(peer.need("token"))
    return {"header": verified["header"], "claims": verified["payload"]}


def refuses(peer):
    verified, token = Verifier(peer), peer.need("token")
    verified(token)
    attempts = {
        "wrong_audience": lambda: verified(token, aud="https://other.test/"),
        "wrong_issuer": lambda: verified(token, iss="https://other.test"),
        "wrong_type": lambda: verified(token, typ="dpop+jwt"),
        "wrong_alg": lambda: verified(token, alg="PS256"),
    }
    for name, text in altered(token).items():
        attempts[name] = lambda text=text: verified(text)
    return {"refused": refused(attempts)}


def rotate(peer):
    """The old token, then the one that the other half says after it has rotated, then the old."""
    verified, old = Verifier(peer), peer.need("token")
    old_kid = verified(old)["header"]["kid"]
    new_kid = verified(peer.next("a token of the next key"))["header"]["kid"]
    verified(old)
    if new_kid == old_kid:
        raise ValueError("both tokens are of one key")
    return {"old_kid": old_kid, "new_kid": new_kid}


def status(peer):
    """What the status list that a token names says of it (draft-ietf-oauth-status-list)."""
    client = Client(peer)
    verified = Verifier(peer, client)
    place = verified(peer.need("token"))["payload"]["status"]["status_list"]
    accept = {"Accept": "application/statuslist+jwt"}
    heard = client.session.get(place["uri"], headers=accept, timeout=PATIENCE)
    heard.raise_for_status()
    signed = jwt.decode_complete(
        heard.text, verified.keys.get_signing_key_from_jwt(heard.text),
        algorithms=["ES256"], subject=place["uri"],
        options={"require": ["sub", "iat", "exp"]},
    )
    if signed["header"].get("typ") != "statuslist+jwt":
        raise ValueError("a token of another type")
    claims = signed["payload"]
    bits, packed = claims["status_list"]["bits"], claims["status_list"]["lst"]
    listed = zlib.decompress(urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    at, shift = divmod(place["idx"] * bits, 8)
    found = listed[at] >> shift & (1 << bits) - 1
    kind, life = heard.headers["Content-Type"], claims["exp"] - claims["iat"]
    return {"status": found, "kind": kind, "ttl": claims["ttl"], "life": life}


CASES = {
    "discover": discover,
    "client_credentials": client_credentials,
    "exchange": exchange,
    "jwt_bearer": jwt_bearer,
    "introspect": introspect,
    "introspect_signed": introspect_signed,
    "revoke": revoke,
    "verify": verify,
    "refuses": refuses,
    "rotate": rotate,
    "status": status,
}
