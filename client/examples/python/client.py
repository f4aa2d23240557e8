"""Fetches a token of Marque with authlib and calls a service with it.

    python3 client.py ISSUER CLIENT_ID KEY_FILE RESOURCE [URL] [CA_FILE]

KEY_FILE is a P-256 key in PKCS#8 PEM, as `MARQUE_KEY_FILE` names it. authlib proves the client by
an assertion (RFC 7523); the proofs (RFC 9449) are made by hand: they are one small token a request.
"""

import hashlib
import secrets
import sys
import time

import jwt
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey
from jwt.algorithms import ECAlgorithm

from marque_verify import base64url


class Prover(requests.auth.AuthBase):
    """Puts a proof by a fresh key on each request, and the token it goes with, if there is one."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.jwk = ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        self.nonce, self.token = None, None

    def __call__(self, request):
        claims = {
            "jti": secrets.token_urlsafe(16),
            "htm": request.method,
            "htu": request.url.split("?")[0],
            "iat": int(time.time()),
        }
        if self.nonce:
            claims["nonce"] = self.nonce
        if self.token:
            claims["ath"] = base64url(hashlib.sha256(self.token.encode()).digest())
            request.headers["Authorization"] = "DPoP " + self.token
        header = {"typ": "dpop+jwt", "jwk": self.jwk}
        request.headers["DPoP"] = jwt.encode(claims, self.key, "ES256", header)
        return request

    def learn(self, answer):
        """Whether the request is to be sent once more, with the nonce that the answer brought."""
        self.nonce = answer.headers.get("DPoP-Nonce", self.nonce)
        told = answer.text + answer.headers.get("WWW-Authenticate", "")
        return answer.status_code in (400, 401) and "use_dpop_nonce" in told


class Session(OAuth2Session):
    """authlib's client, with a proof on its requests to the token endpoint."""

    def __init__(self, *arguments, prover, **options):
        super().__init__(*arguments, **options)
        self.prover = prover

    def request(self, method, url, **options):
        proving = options.pop("auth", None)

        def both(request):
            return self.prover(proving(request) if proving else request)

        answer = super().request(method, url, auth=both, withhold_token=True, **options)
        if self.prover.learn(answer):
            answer = super().request(method, url, auth=both, withhold_token=True, **options)
        return answer


def main():
    issuer, client_id, key_file, resource, url, ca_file = (sys.argv[1:] + [None, None])[:6]
    with open(key_file, "rb") as file:
        key = ECKey.import_key(file.read())
    metadata = requests.get(
        issuer + "/.well-known/oauth-authorization-server",
        timeout=5,
        verify=ca_file or True,
        allow_redirects=False,
    ).json()
    assert metadata["issuer"] == issuer

    prover = Prover()
    session = Session(
        client_id,
        key,
        token_endpoint_auth_method="private_key_jwt",
        prover=prover,
    )
    session.verify = ca_file or True
    # The server takes assertions for its issuer alone, and knows the key by its thumbprint.
    kid = {"kid": key.thumbprint()}
    session.register_client_auth_method(PrivateKeyJWT(issuer, headers=kid, alg="ES256"))
    token = session.fetch_token(
        metadata["token_endpoint"],
        grant_type="client_credentials",
        resource=resource,
        scope="invoices:read",
    )

    call = Prover()
    call.key, call.jwk, call.token = prover.key, prover.jwk, token["access_token"]
    for _ in range(2):
        answer = requests.get(url or resource, auth=call, timeout=5, verify=ca_file or True)
        if not call.learn(answer):
            break
    print(answer.status_code, answer.text.strip())


main()
