//! The token service of the real binary, and a client that others wrote: curl and openssl.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::support::{Json, Marque, PASSPHRASE, Told, Upstream, eventually};

const BILLING: &str = "https://billing.test/";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A plane whose token service is on, the agent `bot`, its workload, and the resource `billing`.
struct Issuing {
    marque: Marque,
    issuer: String,
    client: String,
    billing: String,
    secret: String,
}

impl Issuing {
    fn new() -> Self {
        let mut marque = Marque::nothing_yet();
        // Taken and given back: free a moment later, unless this machine is very busy.
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [port, gateway] = listeners.map(|one| one.local_addr().unwrap().port());
        std::fs::create_dir(marque.path("data")).unwrap();
        super::support::chmod(&marque.path("data"), 0o700);
        let config = format!(
            "[oauth]\nlisten = \"127.0.0.1:{port}\"\ngateway_listen = \"127.0.0.1:{gateway}\"\n"
        );
        std::fs::write(marque.path("data/config.toml"), config).unwrap();
        marque.serve();
        marque.cli(&["claim", "--name", "alice"]).ok();
        marque.cli(&["agent", "add", "bot", "--purpose", "stories"]).ok();
        for name in ["client.pem", "proof.pem"] {
            let path = marque.path(name);
            let words = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
            let out = ["-out", path.to_str().unwrap()];
            marque.tool("openssl", &[&words[..], &out[..]].concat()).ok();
        }
        let issuer = format!("https://127.0.0.1:{port}");
        let (client, billing, secret) = (String::new(), String::new(), String::new());
        let mut issuing = Self { marque, issuer, client, billing, secret };
        (issuing.billing, issuing.secret) = issuing.has_resource();
        issuing.client = issuing.has_client();
        issuing
    }

    /// Its id, and the secret with which it asks.
    fn has_resource(&self) -> (String, String) {
        let billing = self.admin(
            "/v1/connections",
            &serde_json::json!({"connection": {
                "name": "billing", "service": "resource", "hosts": [],
                "tokens": {"audience": BILLING, "secret": true},
            }}),
        );
        let text = |value: &Json| value.as_str().unwrap().to_owned();
        (text(&billing["id"]), text(&billing["tokens"]["secret"]))
    }

    /// Its id.
    fn has_client(&self) -> String {
        let lines = ["--allow", "billing:token", "--allow", "billing:scope *"];
        let grant = ["grant", "add", "bot", "--until", "30d"];
        self.marque.cli(&[&grant[..], &lines[..]].concat()).ok();
        let jwks = serde_json::json!({"keys": [self.jwk("client.pem")]}).to_string();
        let client = self.admin(
            "/v1/clients",
            &serde_json::json!({
                "name": "bot-prod", "agent": "bot", "run_ttl_secs": 3_600,
                "proof": {"proof": "keys", "jwks": jwks},
            }),
        );
        client["id"].as_str().unwrap().to_owned()
    }

    /// What the admin API answers a human's process.
    fn admin(&self, path: &str, body: &Json) -> Json {
        let (socket, url) = (self.marque.socket(), format!("http://marque{path}"));
        let (user, body) = (format!("alice:{PASSPHRASE}"), body.to_string());
        let words =
            ["-sS", "--fail-with-body", "--unix-socket", socket.to_str().unwrap(), "-u", &user];
        self.marque.tool("curl", &[&words[..], &["-d", &body, &url]].concat()).json()
    }

    /// The public half of a key that openssl made.
    fn jwk(&self, name: &str) -> Json {
        let (key, public) = (self.marque.path(name), self.marque.path("public.der"));
        let words = ["pkey", "-in", key.to_str().unwrap(), "-pubout", "-outform", "DER", "-out"];
        self.marque.tool("openssl", &[&words[..], &[public.to_str().unwrap()]].concat()).ok();
        let public = std::fs::read(public).unwrap();
        let point = &public[public.len() - 64..];
        let part = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
        serde_json::json!({
            "kty": "EC", "crv": "P-256", "x": part(&point[..32]), "y": part(&point[32..]),
        })
    }

    /// A token of these parts, signed by `openssl dgst`.
    fn signed(&self, key: &str, header: &Json, claims: &Json) -> String {
        let part = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
        let input = format!("{}.{}", part(header), part(claims));
        let text = self.marque.write("input", &input);
        let (key, signature) = (self.marque.path(key), self.marque.path("signature"));
        let words = ["dgst", "-sha256", "-sign", key.to_str().unwrap(), "-out"];
        let paths = [signature.to_str().unwrap(), text.to_str().unwrap()];
        self.marque.tool("openssl", &[&words[..], &paths[..]].concat()).ok();
        let raw = raw(&std::fs::read(signature).unwrap());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(raw))
    }

    fn assertion(&self) -> String {
        let header = serde_json::json!({"alg": "ES256", "typ": "client-authentication+jwt"});
        let claims = serde_json::json!({
            "iss": self.client, "sub": self.client, "aud": self.issuer,
            "jti": name(), "iat": now(), "exp": now() + 240,
        });
        self.signed("client.pem", &header, &claims)
    }

    fn proof(&self, nonce: Option<&str>) -> String {
        let jwk = self.jwk("proof.pem");
        let header = serde_json::json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk});
        let mut claims = serde_json::json!({
            "jti": name(), "htm": "POST", "htu": self.url("token"), "iat": now(),
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        self.signed("proof.pem", &header, &claims)
    }

    fn url(&self, endpoint: &str) -> String {
        format!("{}/oauth/{endpoint}", self.issuer)
    }

    fn curl(&self, words: &[&str]) -> Told {
        let authority = self.marque.path("data/issuer-ca.pem");
        let common = ["-sS", "-i", "--cacert", authority.to_str().unwrap()];
        self.marque.tool("curl", &[&common[..], words].concat())
    }

    /// Asks for a token; what is answered, with its head.
    fn asks(&self, assertion: &str, nonce: Option<&str>) -> String {
        let proof = format!("DPoP: {}", self.proof(nonce));
        let (kind, assertion) = (
            format!("client_assertion_type={ASSERTION_TYPE}"),
            format!("client_assertion={assertion}"),
        );
        let (resource, url) = (format!("resource={BILLING}"), self.url("token"));
        let words = [
            "-H",
            &proof,
            "-d",
            "grant_type=client_credentials",
            "-d",
            "scope=invoices:read",
            "--data-urlencode",
            &kind,
            "-d",
            &assertion,
            "--data-urlencode",
            &resource,
            &url,
        ];
        self.curl(&words).ok().to_owned()
    }

    /// Asks as a client does: once for the nonce, and then with it.
    fn token(&self) -> String {
        let told = self.asks(&self.assertion(), Some(&self.nonce()));
        assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
        let body: Json = serde_json::from_str(body(&told)).unwrap();
        assert_eq!(body["token_type"], "DPoP");
        body["access_token"].as_str().unwrap().to_owned()
    }

    fn nonce(&self) -> String {
        let told = self.asks(&self.assertion(), None);
        assert!(told.contains("use_dpop_nonce"), "{told}");
        field(&told, "dpop-nonce")
    }

    fn introspects(&self, token: &str) -> Json {
        let user = format!("{}:{}", self.billing, self.secret);
        let (token, url) = (format!("token={token}"), self.url("introspect"));
        let told = self.curl(&["-u", &user, "-d", &token, &url]);
        serde_json::from_str(body(told.ok())).unwrap()
    }
}

fn body(told: &str) -> &str {
    told.split_once("\r\n\r\n").unwrap().1
}

fn field(told: &str, name: &str) -> String {
    let mut lines = told.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.unwrap_or_else(|| panic!("no `{name}`: {told}")).1.to_owned()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn name() -> String {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    format!("name-{nanos}")
}

/// A signature as a JWS has it (RFC 7518 §3.4), from the DER that openssl writes.
fn raw(der: &[u8]) -> Vec<u8> {
    let mut rest = &der[2..];
    let mut raw = Vec::new();
    for _ in 0..2 {
        let (length, value) = (usize::from(rest[1]), &rest[2..]);
        let number = &value[..length];
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        raw.extend(vec![0; 32 - number.len()]);
        raw.extend(number);
        rest = &value[length..];
    }
    raw
}

#[test]
fn a_client_that_others_wrote_gets_a_token_until_its_run_is_killed() {
    let issuing = Issuing::new();
    let told = issuing.marque.server_output();
    assert!(told.contains(&format!("\ntokens     {}, at ", issuing.issuer)), "{told}");
    let mode = issuing.marque.path("data/issuer-ca.pem").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    let metadata = format!("{}/.well-known/oauth-authorization-server", issuing.issuer);
    let metadata = issuing.curl(&[&metadata]);
    let metadata: Json = serde_json::from_str(body(metadata.ok())).unwrap();
    assert_eq!(metadata["token_endpoint"], issuing.url("token"));

    let token = issuing.token();
    let told = issuing.introspects(&token);
    assert_eq!((&told["active"], &told["aud"]), (&true.into(), &BILLING.into()), "{told}");
    assert_eq!(told["scope"], "invoices:read");
    issuing.marque.cli(&["kill", "bot"]).ok();
    assert_eq!(issuing.introspects(&token), serde_json::json!({"active": false}));
    let told = issuing.asks(&issuing.assertion(), Some("0"));
    assert!(told.starts_with("HTTP/1.1 40"), "{told}");
}

// threat 32
#[test]
fn an_assertion_that_was_used_is_used_after_a_restart_as_well() {
    let mut issuing = Issuing::new();
    let (assertion, nonce) = (issuing.assertion(), issuing.nonce());
    let told = issuing.asks(&assertion, Some(&nonce));
    assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
    let authority = std::fs::read(issuing.marque.path("data/issuer-ca.pem")).unwrap();
    issuing.marque.stop();
    issuing.marque.serve();
    let again = std::fs::read(issuing.marque.path("data/issuer-ca.pem")).unwrap();
    assert_eq!(authority, again, "the authority is made once");
    let told = issuing.asks(&assertion, Some(&issuing.nonce()));
    assert!(told.starts_with("HTTP/1.1 400 ") && told.contains("invalid_request"), "{told}");
    assert!(issuing.asks(&issuing.assertion(), Some(&issuing.nonce())).contains("access_token"));
}

#[test]
fn the_gateway_says_where_its_tokens_come_from_under_the_same_authority() {
    let issuing = Issuing::new();
    issuing.marque.cli(&["connection", "add", "api", "--host", "api.test", "--no-credential"]).ok();
    let told = issuing.marque.server_output();
    let gateway = told.lines().find_map(|line| line.strip_prefix("gateway    ")).unwrap();
    let gateway = gateway.split(", at ").next().unwrap();
    let refused = issuing.curl(&[&format!("{gateway}/c/api/v1/items")]).ok().to_owned();
    assert!(refused.contains(" 401"), "{refused}");
    let challenge = field(&refused, "www-authenticate");
    let metadata = challenge.split("resource_metadata=\"").nth(1).unwrap();
    let metadata = issuing.curl(&[metadata.split('"').next().unwrap()]).ok().to_owned();
    let metadata: Json = serde_json::from_str(body(&metadata)).unwrap();
    assert_eq!(metadata["resource"], format!("{gateway}/c/api"));
    assert_eq!(metadata["authorization_servers"][0], issuing.issuer);
}

#[test]
fn certificates_of_others_are_shown_where_they_are_named() {
    let mut issuing = Issuing::new();
    issuing.marque.stop();
    let (key, certificate) = (issuing.marque.path("tls.key"), issuing.marque.path("tls.pem"));
    let words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let subject = ["-subj", "/CN=id", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"];
    let files = ["-keyout", key.to_str().unwrap(), "-out", certificate.to_str().unwrap()];
    issuing.marque.tool("openssl", &[&words[..], &subject[..], &files[..]].concat()).ok();
    super::support::chmod(&key, 0o600);
    let config = issuing.marque.path("data/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let named =
        format!("{text}certificate = \"{}\"\nkey = \"{}\"\n", certificate.display(), key.display());
    std::fs::write(&config, named).unwrap();
    issuing.marque.serve();
    let url = issuing.url("jwks");
    let words = ["-sS", "--cacert", certificate.to_str().unwrap(), &url];
    assert!(issuing.marque.tool("curl", &words).json()["keys"].is_array());
    let other = issuing.curl(&[&url]);
    assert_ne!(other.code, 0, "the server's own authority vouches no more: {}", other.whole());
    super::support::chmod(&key, 0o644);
    issuing.marque.stop();
    issuing.marque.serves_not().fails(1, "others may read it");
}

/// A CI provider that publishes its keys over TLS of an authority of its own.
struct Ci<'a> {
    issuing: &'a Issuing,
    server: Upstream,
    issuer: String,
}

impl<'a> Ci<'a> {
    fn new(issuing: &'a Issuing) -> Self {
        let server = Upstream::private("127.0.0.1");
        let issuer = format!("https://{}", server.address);
        let metadata = serde_json::json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")});
        let head = "200 OK\r\nContent-Type: application/json";
        server.answers("/.well-known/openid-configuration", head, metadata.to_string());
        Self { issuing, server, issuer }
    }

    fn publishes(&self, key: &str) {
        let mut jwk = self.issuing.jwk(key);
        jwk["kid"] = key.into();
        let keys = serde_json::json!({"keys": [jwk]}).to_string();
        self.server.answers("/keys", "200 OK\r\nCache-Control: max-age=3600", keys);
    }

    /// What a job is answered whose token that key signed.
    fn job(&self, key: &str) -> String {
        let issuing = self.issuing;
        let header = serde_json::json!({"alg": "ES256", "typ": "JWT", "kid": key});
        let claims = serde_json::json!({
            "iss": self.issuer, "sub": "job", "aud": "marque", "jti": name(), "iat": now(),
            "exp": now() + 240, "repository_id": 42,
        });
        let assertion = format!("assertion={}", issuing.signed(key, &header, &claims));
        let proof = format!("DPoP: {}", issuing.proof(Some(&issuing.nonce())));
        let grant = "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer";
        let (resource, url) = (format!("resource={BILLING}"), issuing.url("token"));
        let words = ["-H", &proof, "--data-urlencode", grant, "-d", &assertion];
        let target = ["--data-urlencode", &resource, &url];
        issuing.curl(&[&words[..], &target[..]].concat()).ok().to_owned()
    }
}

// threats 23 and 24
#[test]
fn the_keys_of_a_ci_provider_are_followed_when_they_rotate() {
    let mut issuing = Issuing::new();
    let (issuer, server) = {
        let ci = Ci::new(&issuing);
        ci.publishes("client.pem");
        let authority = issuing.marque.write("ci-ca.pem", ci.server.authority.as_ref().unwrap());
        let words = ["client", "add", "ci", "--agent", "bot", "--allow", "billing:token"];
        let proof = ["--issuer", &ci.issuer, "--audience", "marque", "--claim", "repository_id=42"];
        let add = [&words[..], &proof[..]].concat();
        let place = ["--issuer-ca", authority.to_str().unwrap()];
        let closed = issuing.marque.cli(&[&add[..], &place[..]].concat());
        closed.fails(1, "--private-network");
        ci.server.saw_nothing();
        issuing.marque.cli(&[&add[..], &place[..], &["--private-network"]].concat()).ok();
        let told = ci.job("client.pem");
        assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
        ci.publishes("proof.pem");
        (ci.issuer, ci.server)
    };
    // A start asks at once.
    issuing.marque.stop();
    issuing.marque.serve();
    let ci = Ci { issuing: &issuing, server, issuer };
    eventually("the other key counts", || {
        ci.job("proof.pem").starts_with("HTTP/1.1 200 ").then_some(())
    });
    let told = ci.job("client.pem");
    assert!(told.contains("invalid_grant"), "{told}");
    let shown = issuing.marque.cli(&["client", "show", "ci", "--json"]).json();
    assert_eq!(shown["keys"]["from"], format!("{}/keys", ci.issuer));
    assert_eq!((&shown["keys"]["count"], &shown["keys"]["stale"]), (&1.into(), &false.into()));
    let log = issuing.marque.json(&["log", "query", "--event", "issuer_keys_changed"]);
    assert_eq!(log.as_array().unwrap().len(), 2, "{log}");
}
