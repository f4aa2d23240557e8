"""`authlib` as a client and as a verifier. It makes no DPoP proofs by itself, so they are signed
with its JOSE library, `joserfc`, as its users do it."""

import hashlib
import secrets
import time
from urllib.parse import urlsplit

from authlib.integrations.requests_client import OAuth2Session, OAuthError
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, import_key
from joserfc.util import urlsafe_b64encode

from peer import JWT_BEARER, PATIENCE, TOKEN_EXCHANGE, Peer, Refused
from refused import altered, refused


def session(peer):
    """A session of the client of the input, and the server's metadata."""
    client = peer.need("client")
    made = OAuth2Session(client["id"], **_authentication(client), default_timeout=PATIENCE)
    peer.prepare(made)
    metadata = peer.discover(_Open(made))
    if "key" in client:
        # RFC 10070: the issuer is the audience, not the endpoint.
        header = {"kid": client["kid"]} if "kid" in client else None
        alg = client.get("alg", "ES256")
        made.register_client_auth_method(PrivateKeyJWT(metadata["issuer"], headers=header, alg=alg))
    return made, metadata


def _authentication(client):
    if "key" in client:
        key = import_key(client["key"], "EC" if client.get("alg", "ES256") == "ES256" else "RSA")
        return {"client_secret": key, "token_endpoint_auth_method": PrivateKeyJWT.name}
    if "certificate_file" in client or "secret" not in client:
        return {"token_endpoint_auth_method": "none"}
    return {"client_secret": client["secret"], "token_endpoint_auth_method": "client_secret_basic"}


class _Open:
    """Calls that need no token."""

    def __init__(self, session):
        self.session = session

    def get(self, url, **more):
        return self.session.request("GET", url, withhold_token=True, **more)


def prove(peer, method, url, nonce=None, token=None):
    """The header field of a DPoP proof; none where the input has no key for it."""
    if "proof_key" not in peer.given:
        return {}
    key = ECKey.import_key(peer.given["proof_key"])
    claims = {"jti": secrets.token_urlsafe(16), "htm": method, "htu": url, "iat": int(time.time())}
    if nonce:
        claims["nonce"] = nonce
    if token:
        claims["ath"] = urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode()
    header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": key.as_dict(private=False)}
    return {"DPoP": jwt.encode(header, claims, key)}


def grant(peer, grant_type, parameters):
    made, metadata = session(peer)
    url = peer.endpoint(metadata, "token_endpoint")
    nonces = []
    made.register_compliance_hook("access_token_response", lambda heard: _keep(nonces, heard))

    def ask(nonce=None):
        headers = prove(peer, "POST", url, nonce)
        return made.fetch_token(url, grant_type=grant_type, headers=headers, **parameters)

    try:
        return {"token": dict(ask())}
    except OAuthError as error:
        if error.error != "use_dpop_nonce" or not nonces:
            raise
        return {"token": dict(ask(nonces[-1]))}


def _keep(nonces, heard):
    if "DPoP-Nonce" in heard.headers:
        nonces.append(heard.headers["DPoP-Nonce"])
    return heard


def discover(peer):
    _, metadata = session(peer)
    return {"metadata": metadata}


def client_credentials(peer):
    return grant(peer, "client_credentials", peer.parameters())


def exchange(peer):
    return grant(peer, TOKEN_EXCHANGE, peer.exchange_parameters())


def jwt_bearer(peer):
    return grant(peer, JWT_BEARER, peer.parameters("assertion"))


def introspect(peer):
    made, metadata = session(peer)
    url = peer.endpoint(metadata, "introspection_endpoint")
    return {"answer": Peer.json_of(made.introspect_token(url, token=peer.need("token")))}


def introspect_signed(peer):
    made, metadata = session(peer)
    url = peer.endpoint(metadata, "introspection_endpoint")
    headers = {
        "Accept": "application/token-introspection+jwt",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    heard = made.introspect_token(url, token=peer.need("token"), headers=headers)
    if not heard.ok:
        raise Refused(heard)
    token = _decode(_keys(made, metadata), heard.text, peer.get("introspection_alg", "ES256"))
    if token.header.get("typ") != "token-introspection+jwt":
        raise ValueError("the answer is a token of another type")
    audience = peer.get("introspection_audience", peer.need("client")["id"])
    _require(token.claims, {"iss": metadata["issuer"], "aud": audience})
    return {"answer": token.claims["token_introspection"]}


def revoke(peer):
    made, metadata = session(peer)
    url = peer.endpoint(metadata, "revocation_endpoint")
    made.revocation_endpoint_auth_method = made.token_endpoint_auth_method
    heard = made.revoke_token(url, token=peer.need("token"))
    if not heard.ok:
        raise Refused(heard)
    return {}


def protected(peer):
    made, _ = session(peer)
    url, token = peer.need("protected_url"), peer.need("token")
    method = peer.get("protected_method", "GET")
    scheme = "DPoP" if "proof_key" in peer.given else "Bearer"
    nonce = None
    for _ in range(2):
        headers = {"Authorization": f"{scheme} {token}"}
        headers |= prove(peer, method, urlsplit(url)._replace(query="").geturl(), nonce, token)
        heard = made.request(method, url, withhold_token=True, headers=headers)
        nonce = heard.headers.get("DPoP-Nonce")
        challenge = heard.headers.get("WWW-Authenticate", "")
        if heard.status_code != 401 or "use_dpop_nonce" not in challenge:
            break
    return {"status": heard.status_code, "body": heard.text}


def _keys(made, metadata):
    return KeySet.import_key_set(Peer.json_of(_Open(made).get(metadata["jwks_uri"])))


def _decode(keys, text, alg):
    return jwt.decode(text, keys, algorithms=[alg])


def _require(claims, expected, present=()):
    rules = {name: {"essential": True} for name in present}
    rules |= {name: {"essential": True, "value": value} for name, value in expected.items()}
    jwt.JWTClaimsRegistry(**rules).validate(claims)


class _Verifier:
    """Verifies access tokens (RFC 9068) with the published keys."""

    def __init__(self, peer):
        made, metadata = session(peer)
        self.peer, self.keys = peer, _keys(made, metadata)
        self.read_again = lambda: _keys(made, metadata)

    def __call__(self, text, **other):
        expected = {"iss": self.peer.need("issuer"), "aud": self.peer.need("resource")}
        alg = other.pop("alg", self.peer.get("token_alg", "ES256"))
        typ = other.pop("typ", "at+jwt")
        token = _decode(self.keys, text, alg)
        if token.header.get("typ") != typ:
            raise ValueError("a token of another type")
        _require(token.claims, expected | other, ("sub", "client_id", "iat", "exp", "jti"))
        return token


def verify(peer):
    token = _Verifier(peer)(peer.need("token"))
    return {"header": token.header, "claims": token.claims}


def refuses(peer):
    verified, token = _Verifier(peer), peer.need("token")
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
    """The old token, then the one that the other half says once it has rotated, then the old one.

    The key set is read again only where a key is not in it."""
    verified, old = _Verifier(peer), peer.need("token")
    old_kid = verified(old).header["kid"]
    new = peer.next("a token of the next key")
    reads = 1
    try:
        found = verified(new)
    except ValueError:
        verified.keys, reads = verified.read_again(), 2
        found = verified(new)
    verified(old)
    if found.header["kid"] == old_kid:
        raise ValueError("both tokens are of one key")
    return {"old_kid": old_kid, "new_kid": found.header["kid"], "reads": reads}


CASES = {
    "discover": discover,
    "client_credentials": client_credentials,
    "exchange": exchange,
    "jwt_bearer": jwt_bearer,
    "introspect": introspect,
    "introspect_signed": introspect_signed,
    "revoke": revoke,
    "protected": protected,
    "verify": verify,
    "refuses": refuses,
    "rotate": rotate,
}
