"""What all cases need: the input, and a session whose calls are written down."""

import json
import re
import sys
from urllib.parse import urlsplit

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"

# How long a call may take, in seconds.
PATIENCE = 20


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, response):
        body = _json(response)
        self.status = response.status_code
        self.code = body.get("error")
        self.challenge = response.headers.get("WWW-Authenticate")
        super().__init__(f"{self.status} {self.code or ''}: {body.get('error_description', '')}")


class Peer:
    """One case: what it was given, and what it did."""

    def __init__(self, given):
        self.given = given
        # One text for each call: `POST /oauth/token 400 use_dpop_nonce`.
        self.calls = []

    def need(self, name):
        """A member of the input without which the case makes no sense."""
        if name not in self.given:
            raise KeyError(f"the input has no `{name}`")
        return self.given[name]

    def get(self, name, default=None):
        return self.given.get(name, default)

    def parameters(self, *more):
        """What the input asks of the token endpoint beside the grant itself."""
        names = ("resource", "scope", "authorization_details", *more)
        return {name: self.given[name] for name in names if name in self.given}

    def exchange_parameters(self):
        types = {"subject_token_type": ACCESS_TOKEN}
        if "actor_token" in self.given:
            types["actor_token_type"] = ACCESS_TOKEN
        return types | self.parameters(
            "subject_token", "subject_token_type", "actor_token", "actor_token_type",
            "requested_token_type", "audience",
        )

    def prepare(self, session):
        """Trusts the authority of the input alone, and writes down what is called."""
        client = self.get("client", {})
        session.trust_env = False
        session.verify = self.need("ca_file")
        if "certificate_file" in client:
            session.cert = (client["certificate_file"], client["certificate_key_file"])
        session.hooks["response"].append(self._heard)
        return session

    def _heard(self, response, *_words, **_more):
        told = [response.request.method, urlsplit(response.url).path, str(response.status_code)]
        if not response.ok:
            challenge = re.search(r'error="([^"]*)"', response.headers.get("WWW-Authenticate", ""))
            told.append(_json(response).get("error") or (challenge[1] if challenge else ""))
        self.calls.append(" ".join(told).rstrip())

    def discover(self, session):
        """The server's metadata, which must be of the issuer that was asked."""
        issuer = self.need("issuer")
        path = ".well-known/oauth-authorization-server"
        if self.get("discovery") == "oidc":
            path = ".well-known/openid-configuration"
        found = self.json_of(session.get(f"{issuer}/{path}", timeout=PATIENCE))
        if found["issuer"] != issuer:
            raise ValueError(f"the metadata is of {found['issuer']}")
        return found

    def endpoint(self, metadata, name):
        """Where the endpoint is, for a client with a certificate perhaps elsewhere (RFC 8705)."""
        aliases = metadata.get("mtls_endpoint_aliases", {})
        has_certificate = "certificate_file" in self.get("client", {})
        return aliases.get(name, metadata[name]) if has_certificate else metadata[name]

    @staticmethod
    def json_of(response):
        if not response.ok:
            raise Refused(response)
        return response.json()

    @staticmethod
    def next(told):
        """Tells the other half that the first step is done; what it says then."""
        print(json.dumps({"waiting": told}), flush=True)
        line = sys.stdin.readline().strip()
        if not line:
            raise EOFError("the other half says nothing")
        return line


def _json(response):
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
