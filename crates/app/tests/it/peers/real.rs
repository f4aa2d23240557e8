//! Libraries of others at the token service of the real binary, over TLS.

use std::net::TcpListener;

use marque_crypto::token_key::{TokenAlgorithm, TokenKey};
use marque_wire::jose::{Jwk, JwkSet, TokenClass, Unsigned};
use marque_wire::oauth::{ClientAssertion, Issuer};
use serde_json::{Map, json};

use super::super::support::{Json, Library, Marque, Peers, certify, chmod};
use super::{in_pem, now, pem};

const BILLING: &str = "https://billing.test/v1";
const LEDGER: &str = "https://ledger.test/v1";
const READ: &str = "invoices:read";
const CI: &str = "https://ci.test";
const KID: &str = "key-1";

/// `reader` may have tokens for the billing, which `biller` serves, and both for the ledger.
struct Issuing {
    marque: Marque,
    issuer: String,
    /// Of the billing service, which asks about tokens with a key.
    service: (String, TokenKey),
}

/// A workload of an agent, with a key for assertions and one for proofs.
struct Workload {
    id: String,
    key: TokenKey,
    proofs: TokenKey,
}

impl Issuing {
    fn new() -> Self {
        Self::with("")
    }

    /// With this in the configuration of the token service.
    fn with(more: &str) -> Self {
        let mut marque = Marque::nothing_yet();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        std::fs::create_dir(marque.data()).unwrap();
        chmod(&marque.data(), 0o700);
        marque.write("data/config.toml", &format!("[oauth]\nlisten = \"{free}\"\n{more}"));
        marque.serve();
        marque.cli(&["claim", "--name", "alice"]).ok();
        for agent in ["reader", "biller"] {
            marque.cli(&["agent", "add", agent, "--purpose", "stories"]).ok();
        }
        let key = new_key();
        let file = public_in(&marque, "billing.jwks", &key);
        let resource = |name: &str, audience: &str, more: &[&str]| {
            let words = ["connection", "add", name, "--service", "resource"];
            let more = [&words[..], &["--audience", audience], more].concat();
            marque.json(&more)["id"].as_str().unwrap().to_owned()
        };
        let served = ["--served-by", "biller", "--introspect-key", &file];
        let id = resource("billing", BILLING, &served);
        resource("ledger", LEDGER, &[]);
        for agent in ["reader", "biller"] {
            let mut words = vec!["grant", "add", agent, "--until", "30d"];
            for line in ["billing:token", "billing:scope *", "ledger:token", "ledger:scope *"] {
                words.extend(["--allow", line]);
            }
            marque.cli(&words).ok();
        }
        Self { marque, issuer: format!("https://{free}"), service: (id, key) }
    }

    /// Registers a workload that signs assertions.
    fn workload(&self, name: &str, agent: &str) -> Workload {
        let key = new_key();
        let file = public_in(&self.marque, name, &key);
        let words = ["client", "add", name, "--agent", agent, "--key", &file];
        let id = self.marque.json(&words)["id"].as_str().unwrap().to_owned();
        Workload { id, key, proofs: new_key() }
    }

    /// What a case is given that asks as that client.
    fn input(&self, client: &Json, more: &Json) -> Json {
        let mut input = json!({
            "issuer": self.issuer, "ca_file": self.marque.path("data/issuer-ca.pem"),
            "client": client, "resource": BILLING, "protected_url": format!("{BILLING}/7"),
        });
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        input
    }

    fn as_service(&self, more: &Json) -> Json {
        let (id, key) = &self.service;
        self.input(&json!({ "id": id, "key": pem(key), "kid": KID }), more)
    }

    fn as_workload(&self, workload: &Workload, more: &Json) -> Json {
        let client = json!({ "id": workload.id, "key": pem(&workload.key), "kid": KID });
        let mut input = self.input(&client, &json!({ "proof_key": pem(&workload.proofs) }));
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        input
    }

    /// The keys that verify tokens.
    fn published(&self) -> Vec<Json> {
        let authority = self.marque.path("data/issuer-ca.pem");
        let url = format!("{}/oauth/jwks", self.issuer);
        let words = ["-sS", "--fail", "--cacert", authority.to_str().unwrap(), &url];
        self.marque.tool("curl", &words).json()["keys"].as_array().unwrap().clone()
    }

    /// A token of its own.
    fn token(&self, peers: &Peers, library: Library, workload: &Workload) -> String {
        let input = self.as_workload(workload, &json!({ "scope": READ }));
        let came = peers.run(library, "client_credentials", &input);
        let told = came.ok();
        assert_eq!(told["token"]["token_type"].as_str().unwrap().to_lowercase(), "dpop");
        assert_eq!(told["token"]["scope"], READ);
        let calls = told["calls"].to_string();
        assert!(calls.contains("POST /oauth/token 400 use_dpop_nonce"), "{calls}");
        assert!(calls.contains("POST /oauth/token 200"), "{calls}");
        told["token"]["access_token"].as_str().unwrap().to_owned()
    }

    /// An assertion of the workload, to be its actor token.
    fn assertion(&self, workload: &Workload, name: &str) -> String {
        let claims = ClientAssertion {
            client_id: workload.id.clone(),
            jti: name.to_owned(),
            exp: now().plus_seconds(60),
        };
        let claims = claims.to_json(&Issuer::parse(&self.issuer).unwrap(), now());
        signed(TokenClass::ClientAssertion, &workload.key, &claims)
    }
}

fn new_key() -> TokenKey {
    TokenKey::generate(TokenAlgorithm::Es256).unwrap()
}

/// The public half in a file; its path.
fn public_in(marque: &Marque, name: &str, key: &TokenKey) -> String {
    let jwk = Jwk { key: key.public().key().clone(), key_id: Some(KID.to_owned()) };
    let set = JwkSet::new(vec![jwk]).unwrap().to_json().to_string();
    marque.write(name, &set).to_str().unwrap().to_owned()
}

fn signed(class: TokenClass, key: &TokenKey, claims: &Map<String, Json>) -> String {
    let unsigned = Unsigned::new(class, key.algorithm().algorithm(), KID, claims);
    let signature = key.sign(unsigned.signing_input()).unwrap();
    String::from_utf8(unsigned.finish(&signature).unwrap().expose().to_vec()).unwrap()
}

/// Each library at once, in a thread of its own.
fn each(libraries: &[Library], story: impl Fn(Library) + Sync) {
    std::thread::scope(|scope| {
        for library in libraries {
            let (library, story) = (*library, &story);
            scope.spawn(move || story(library));
        }
    });
}

#[test]
fn clients_of_others_take_use_and_give_back_tokens() {
    let Some(peers) = Peers::there() else { return };
    let issuing = Issuing::new();
    each(&Library::CLIENTS, |library| {
        let workload = issuing.workload(&format!("{library:?}").to_lowercase(), "reader");
        for discovery in ["oauth2", "oidc"] {
            let input = issuing.as_workload(&workload, &json!({ "discovery": discovery }));
            let came = peers.run(library, "discover", &input);
            assert_eq!(came.ok()["metadata"]["issuer"], issuing.issuer);
        }
        let token = issuing.token(&peers, library, &workload);
        let about = issuing.as_service(&json!({ "token": token }));
        for case in ["introspect", "introspect_signed"] {
            let came = peers.run(library, case, &about);
            let answer = &came.ok()["answer"];
            assert_eq!((&answer["active"], &answer["scope"]), (&json!(true), &json!(READ)));
            assert_eq!(answer["client_id"], workload.id);
        }
        let back = issuing.as_workload(&workload, &json!({ "token": token }));
        peers.run(library, "revoke", &back).ok();
        for case in ["introspect", "introspect_signed"] {
            let came = peers.run(library, case, &about);
            assert_eq!(came.ok()["answer"], json!({ "active": false }), "{library:?} {case}");
        }
    });
}

#[test]
fn clients_of_others_are_told_why_they_get_nothing() {
    let Some(peers) = Peers::there() else { return };
    let issuing = Issuing::new();
    each(&Library::CLIENTS, |library| {
        let workload = issuing.workload(&format!("{library:?}").to_lowercase(), "reader");
        let stranger = json!({ "id": workload.id, "key": pem(&new_key()), "kid": KID });
        let is_refused = |more: &Json, error: &str| {
            let came =
                peers.run(library, "client_credentials", &issuing.as_workload(&workload, more));
            let refused = came.refused().to_string();
            assert!(refused.contains(error), "{library:?}: `{error}` is missing in {refused}");
        };
        is_refused(&json!({ "client": stranger }), "invalid_client");
        is_refused(&json!({ "resource": "https://nobody.test/" }), "invalid_target");
        let mut unproven = issuing.as_workload(&workload, &json!({}));
        unproven.as_object_mut().unwrap().remove("proof_key");
        let came = peers.run(library, "client_credentials", &unproven);
        assert!(came.refused().to_string().contains("invalid_dpop_proof"), "{library:?}");
    });
}

#[test]
fn verifiers_of_others_take_tokens_of_the_real_server_across_a_published_key() {
    let Some(peers) = Peers::there() else { return };
    let issuing = Issuing::new();
    let workload = issuing.workload("nightly", "reader");
    let before = issuing.token(&peers, Library::PyJwt, &workload);
    let keys = issuing.marque.json(&["key", "rotate", "token"]).to_string();
    assert!(keys.contains("prepared"), "{keys}");
    assert_eq!(issuing.published().len(), 2, "the next key is there before it signs");
    let after = issuing.token(&peers, Library::PyJwt, &workload);
    each(&Library::VERIFIERS, |library| {
        for token in [&before, &after] {
            let input = issuing.as_workload(&workload, &json!({ "token": token }));
            let came = peers.run(library, "verify", &input);
            let claims = &came.ok()["claims"];
            assert_eq!((&claims["aud"], &claims["scope"]), (&json!(BILLING), &json!(READ)));
            assert!(claims["cnf"]["jkt"].is_string(), "{claims}");
        }
        let input = issuing.as_workload(&workload, &json!({ "token": before }));
        peers.run(library, "refuses", &input).ok();
        let elsewhere = json!({ "token": before, "resource": LEDGER });
        peers.run(library, "verify", &issuing.as_workload(&workload, &elsewhere)).refused();
    });
}

#[test]
fn verifiers_of_others_find_a_killed_run_in_the_status_list() {
    let Some(peers) = Peers::there() else { return };
    let issuing = Issuing::with("token_ttl = \"15m\"\n");
    let [killed, kept] = ["reader", "biller"].map(|agent| {
        let workload = issuing.workload(&format!("{agent}-prod"), agent);
        (issuing.token(&peers, Library::PyJwt, &workload), workload)
    });
    issuing.marque.cli(&["kill", "reader"]).ok();
    let told = issuing.marque.json(&[
        "token",
        "inspect",
        issuing.marque.write("kept", &kept.0).to_str().unwrap(),
    ]);
    assert!(told["claims"]["status"]["status_list"]["idx"].is_u64(), "{told}");
    each(&[Library::Jose, Library::PyJwt], |library| {
        for ((token, workload), status) in [(&killed, 1), (&kept, 0)] {
            let input = issuing.as_workload(workload, &json!({ "token": token }));
            let came = peers.run(library, "status", &input);
            let told = came.ok();
            assert_eq!(told["status"], status, "{library:?}: {told}");
            assert_eq!(told["kind"], "application/statuslist+jwt");
            assert_eq!((&told["ttl"], &told["life"]), (&json!(30), &json!(120)));
        }
    });
}

#[test]
fn clients_of_others_exchange_what_came_to_them() {
    let Some(peers) = Peers::there() else { return };
    let issuing = Issuing::new();
    each(&Library::CLIENTS, |library| {
        let name = format!("{library:?}").to_lowercase();
        let first = issuing.workload(&format!("{name}-first"), "reader");
        let second = issuing.workload(&format!("{name}-second"), "biller");
        let token = issuing.token(&peers, library, &first);
        let asks = |scope: &str, number: u32| {
            let actor = issuing.assertion(&second, &format!("{name}-{number}"));
            let asked = json!({
                "subject_token": token, "actor_token": actor, "resource": LEDGER, "scope": scope,
                "actor_token_type": "urn:ietf:params:oauth:token-type:jwt",
            });
            peers.run(library, "exchange", &issuing.as_workload(&second, &asked))
        };
        let refused = asks("invoices:write", 1);
        assert!(refused.refused().to_string().contains("invalid_scope"), "{library:?}");
        let came = asks(READ, 2);
        let hop = came.ok()["token"]["access_token"].clone();
        let verified =
            json!({ "token": hop, "resource": LEDGER, "protected_url": format!("{LEDGER}/7") });
        let verified = peers.run(Library::Jose, "verify", &issuing.as_workload(&second, &verified));
        let claims = &verified.ok()["claims"];
        assert!(claims["sub"].as_str().unwrap().ends_with("/agent/reader"), "{claims}");
        assert!(claims["act"]["sub"].as_str().unwrap().ends_with("/agent/biller"), "{claims}");
    });
}

#[test]
fn jobs_of_ci_take_tokens_with_libraries_of_others() {
    let Some(peers) = Peers::there() else { return };
    let issuing = Issuing::new();
    let ci = new_key();
    let file = public_in(&issuing.marque, "ci.jwks", &ci);
    let words = ["client", "add", "ci", "--agent", "reader", "--issuer", CI, "--jwks", &file];
    let bound = ["--audience", &issuing.issuer, "--claim", "repository_id=42"];
    let id = issuing.marque.json(&[&words[..], &bound[..]].concat())["id"].clone();
    // The job has no key: what its platform says of it is all that proves it.
    let (client, proofs) = (json!({ "id": id }), pem(&new_key()));
    each(&Library::CLIENTS, |library| {
        let asks = |repository: u32| {
            let at = now().as_seconds();
            let claims = json!({
                "iss": CI, "sub": "repo:acme/api", "aud": issuing.issuer, "iat": at,
                "exp": at + 300, "jti": format!("{library:?}-{repository}"),
                "repository_id": repository, "run_id": format!("{library:?}"),
            });
            let job = signed(TokenClass::Assertion, &ci, claims.as_object().unwrap());
            let more = json!({ "assertion": job, "scope": READ, "proof_key": proofs });
            peers.run(library, "jwt_bearer", &issuing.input(&client, &more))
        };
        assert!(asks(43).refused().to_string().contains("invalid_grant"), "{library:?}");
        assert_eq!(asks(42).ok()["token"]["scope"], READ, "{library:?}");
    });
}

#[test]
fn clients_of_others_show_a_certificate_of_their_own() {
    let Some(peers) = Peers::there() else { return };
    let issuing = Issuing::new();
    let (_, leaf) = certify("mesh.test");
    let certificate = in_pem("CERTIFICATE", leaf.chain().first().unwrap());
    let certificate = issuing.marque.write("mesh.pem", &certificate);
    let key = in_pem("PRIVATE KEY", leaf.expose_key().secret_pkcs8_der());
    let key = issuing.marque.write("mesh.key", &key);
    let file = certificate.to_str().unwrap();
    let words = ["client", "add", "mesh", "--agent", "reader", "--certificate", file];
    let id = issuing.marque.json(&words)["id"].clone();
    let client = json!({ "id": id, "certificate_file": certificate, "certificate_key_file": key });
    each(&Library::CLIENTS, |library| {
        let input = issuing.input(&client, &json!({ "scope": READ }));
        let came = peers.run(library, "client_credentials", &input);
        let token = came.ok()["token"]["access_token"].clone();
        let input = issuing.input(&client, &json!({ "token": token }));
        let verified = peers.run(Library::Jose, "verify", &input);
        assert!(verified.ok()["claims"]["cnf"]["x5t#S256"].is_string(), "{library:?}");
    });
}
