//! Clients, resource servers and the words about tokens, with the real binary.

use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marque_crypto::proof_key::ProofKey;
use marque_wire::jose::{Jwk, JwkSet, NumericDate, TokenClass, Unsigned};
use serde_json::{Value, json};

use super::cli::PUBLIC_KEY;
use super::support::{Marque, Run, World, eventually};

/// A token that some key signed, and the set that verifies it.
fn signed(claims: &Value) -> (Vec<u8>, String) {
    let key = ProofKey::generate().unwrap();
    let (public, kid) = (key.public().clone(), key.public().thumbprint().to_owned());
    let claims = claims.as_object().unwrap();
    let unsigned = Unsigned::new(TokenClass::AccessToken, public.algorithm(), &kid, claims);
    let signature = key.sign(unsigned.signing_input()).unwrap();
    let token = unsigned.finish(&signature).ok().unwrap().expose().to_vec();
    let set = JwkSet::new(vec![Jwk { key: public, key_id: Some(kid) }]).unwrap();
    (token, set.to_json().to_string())
}

fn claims() -> Value {
    let iat =
        NumericDate::of(marque_domain::Timestamp::from_millis(1_700_000_000_000)).as_seconds();
    json!({ "iss": "https://id.test", "aud": "https://billing.test/", "sub": "carol",
        "client_id": "cli_1", "iat": iat, "exp": iat + 300, "jti": "j",
        "act": { "sub": "spiffe://acme.test/agent/bot", "iss": "https://id.test" } })
}

#[test]
fn a_token_is_explained_offline_and_its_signature_never_taken_for_granted() {
    let marque = Marque::nothing_yet();
    let (token, set) = signed(&claims());
    let token = String::from_utf8(token).unwrap();
    marque.write("token", &token);
    marque.write("jwks.json", &set);
    let (file, jwks) = (marque.path("token"), marque.path("jwks.json"));
    let (file, jwks) = (file.to_str().unwrap(), jwks.to_str().unwrap());

    let told = marque.cli(&["token", "inspect", file]);
    assert!(told.ok().starts_with("who acts   spiffe://acme.test/agent/bot\nfor        carol"));
    for said in ["NOT CHECKED", "IT IS OVER", "bound to   NOTHING", "What it does not prove:"] {
        assert!(told.out.contains(said), "`{said}` is missing: {}", told.out);
    }
    let read = marque.cli_given(&["token", "inspect", "-"], &format!("{token}\n"));
    assert_eq!(read.ok(), told.out, "standard input is the same");
    assert_eq!(marque.json(&["token", "inspect", file])["verified"], false);

    let held = marque.cli(&["token", "inspect", file, "--jwks", jwks]);
    assert!(held.ok().contains("signature  holds, by the key"), "{}", held.whole());
    let document = marque.json(&["token", "inspect", file, "--jwks", jwks]);
    assert_eq!((&document["verified"], &document["expired"]), (&json!(true), &json!(true)));
    assert_eq!(document["claims"]["sub"], "carol");
    assert!(!told.whole().contains(&token) && !held.whole().contains(&token));

    let (_, other) = signed(&claims());
    marque.write("jwks.json", &other);
    marque.cli(&["token", "inspect", file, "--jwks", jwks]).fails(1, "has no key");
    let forged = token.replace(&token[..40], &"A".repeat(40));
    marque.write("token", &forged);
    let told = marque.cli(&["token", "inspect", file]);
    told.fails(1, "the token does not hold");
    assert!(!marque.data().exists(), "nothing is asked, and nothing made");
}

// threat 22
#[test]
fn a_client_is_registered_by_its_public_half_and_the_private_one_stays_where_it_is() {
    let world = World::new();
    let path = |name: &str| world.path(name).to_str().unwrap().to_owned();
    world.write("desk.pub", PUBLIC_KEY);
    let add = |name: &str, words: &[&str]| {
        world.cli(&[&["client", "add", name, "--agent", "bot"], words].concat())
    };
    let told =
        add("desk", &["--key", &path("desk.pub"), "--ttl", "90m", "--allow", "api:GET /v1/**"]);
    assert!(told.ok().contains("private_key_jwt: assertions that its own key signs"));
    assert!(told.out.contains("90m at most") && told.out.contains("api:GET /v1/**"));
    assert!(told.err.contains("The token service is off"), "{}", told.whole());
    let shown = world.json(&["client", "show", "desk"]);
    assert_eq!((&shown["state"], &shown["run_ttl_secs"]), (&json!("active"), &json!(5_400)));
    add("desk", &["--key", &path("desk.pub")]).fails(1, "taken");

    let private = "-----BEGIN PRIVATE KEY-----\ncanary-private-key\n-----END PRIVATE KEY-----\n";
    world.write("desk.key", private);
    let refused = add("other", &["--key", &path("desk.key")]);
    refused.fails(1, "private key").hints("-pubout");
    assert!(!refused.whole().contains("canary-private-key"));
    let jwk = r#"{"kty":"EC","crv":"P-256","d":"canary-private-key","x":"AA","y":"AA"}"#;
    world.write("desk.jwk", jwk);
    let refused = add("other", &["--key", &path("desk.jwk")]);
    refused.fails(1, "private key").hints("-pubout");
    assert!(!refused.whole().contains("canary-private-key"));

    let issuer = ["--issuer", "https://ci.test", "--audience", "https://id.test"];
    let key: Value = serde_json::from_str(&signed(&claims()).1).unwrap();
    world.write("ci.jwks", &key.to_string());
    let claim = ["--claim", "repository_id=7", "--claim", "ref=refs/heads/main"];
    let told = add("ci", &[&issuer[..], &["--jwks", &path("ci.jwks")], &claim].concat());
    assert!(told.ok().contains("jwt-bearer: tokens of another issuer"), "{}", told.whole());

    for (verb, state) in [("suspend", "suspended"), ("resume", "active"), ("retire", "retired")] {
        let told = world.cli(&["client", verb, "desk"]);
        assert!(told.ok().contains(state), "{verb}: {}", told.whole());
    }
    world.cli(&["client", "resume", "desk"]).fails(1, "retired");
    let listed = world.cli(&["client", "list"]);
    assert!(listed.ok().contains("retired") && listed.out.contains("jwt-bearer"));
}

#[test]
fn a_resource_server_has_an_audience_and_its_secret_is_shown_once() {
    let world = World::new();
    let add = ["connection", "add", "billing", "--service", "resource", "--audience"];
    let more = ["https://billing.test/", "--token-alg", "RS256", "--served-by", "bot"];
    let told = world.cli(&[&add[..], &more, &["--introspect-secret"]].concat());
    let secret = told.ok().trim_end().to_owned();
    assert!(!secret.contains(char::is_whitespace) && secret.len() >= 32, "{}", told.whole());
    assert!(!told.err.contains(&secret), "it is on standard output alone");
    assert!(told.err.contains("not shown again"), "{}", told.whole());
    let shown = world.cli(&["connection", "show", "billing"]);
    for said in ["https://billing.test/", "RS256", "bot", "client_secret_basic", "bound"] {
        assert!(shown.ok().contains(said), "`{said}` is missing: {}", shown.out);
    }
    assert!(!shown.out.contains(&secret));
    let rehearsed = ["more", "--service", "resource", "--audience", "https://more.test/"];
    let rehearsed = [&["connection", "add"], &rehearsed[..], &["--introspect-secret", "--dry-run"]];
    assert!(world.cli(&rehearsed.concat()).ok().starts_with("connection"), "no secret was made");
    let wrong =
        world.cli(&["connection", "add", "x", "--host", "x.test", "--audience", "https://x.test/"]);
    assert_ne!(wrong.code, 0, "{}", wrong.whole());
}

#[test]
fn every_run_of_a_persons_agents_is_killed_at_once() {
    let world = World::new();
    let run = world.run();
    world.cli(&["kill", "--owner", "nobody"]).ends(1);
    let told = world.cli(&["kill", "--owner", "alice"]);
    assert!(told.ok().contains(&run.id), "{}", told.whole());
}

#[test]
fn outside_of_a_run_a_token_is_asked_for_by_a_named_client_with_its_key() {
    let world = World::new();
    let issue = ["token", "issue", "--resource", "https://billing.test/"];
    world.cli(&issue).fails(2, "in no run").hints("--client ID --key FILE");
    world.write("desk.key", "no key");
    let key = world.path("desk.key");
    let named = ["--client", "cli_1", "--key", key.to_str().unwrap()];
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    world.cli(&[&issue[..], &named].concat()).fails(1, "others may read it");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    world.cli(&[&issue[..], &named].concat()).fails(1, "no private key").hints("openssl genpkey");
    let told =
        world.cli(&["run", "--agent", "bot", "--tier", "advisory", "--token-key", "--", "true"]);
    told.fails(5, "no token service").hints("oauth.listen");
}

/// A plane whose token service listens, with a resource server that `bot` may have tokens for.
fn issuing() -> (World, String) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut marque = Marque::start();
    marque.stop();
    marque.write("data/config.toml", &format!("[oauth]\nlisten = \"{free}\"\n"));
    marque.serve();
    let world = World::on(marque);
    let billing = ["--service", "resource", "--audience", BILLING];
    world.cli(&[&["connection", "add", "billing"], &billing[..]].concat()).ok();
    let lines = ["--allow", "billing:token", "--allow", "billing:scope invoices:read"];
    let asks = ["--ask", "billing:scope invoices:write", "--until", "1d"];
    world.cli(&[&["grant", "add", "bot"], &lines[..], &asks].concat()).ok();
    (world, format!("https://{free}"))
}

const BILLING: &str = "https://billing.test/";

/// A private key as `openssl genpkey` writes it, and its public half.
fn key_pair(world: &World, name: &str) -> (String, String) {
    let key = ProofKey::generate().unwrap();
    let der = STANDARD.encode(key.to_pkcs8().unwrap().expose());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
    let private = world.write(&format!("{name}.key"), &pem);
    std::fs::set_permissions(&private, std::fs::Permissions::from_mode(0o600)).unwrap();
    let jwk = Jwk { key: key.public().clone(), key_id: None }.to_json().to_string();
    let public = world.write(&format!("{name}.pub"), &jwk);
    (private.to_str().unwrap().to_owned(), public.to_str().unwrap().to_owned())
}

#[test]
fn a_run_fetches_its_own_token_and_whoever_gets_it_verifies_it() {
    let (world, issuer) = issuing();
    let mut run = Run::open(&world, &["--agent", "bot", "--token-key"]);
    let marque = super::support::BINARY;
    let token = world.path("token");
    let token = token.to_str().unwrap();
    let issue = format!("{marque} token issue --resource {BILLING} --scope invoices:read");
    let told = run.types(&format!("{issue} > {token}"));
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.out.contains("good for 300 seconds, with proofs"), "{told:?}");

    let verify = ["token", "verify", token, "--issuer", &issuer, "--audience", BILLING];
    let held = world.cli(&verify);
    assert!(held.ok().contains(&format!("run        {}", run.id)), "{}", held.whole());
    assert!(
        held.out.contains("the scope `invoices:read`") && held.out.contains("holds, by the key")
    );
    assert!(held.err.contains("Not checked: the proof of possession"), "{}", held.whole());
    let elsewhere =
        ["token", "verify", token, "--issuer", &issuer, "--audience", "https://b.test/"];
    world.cli(&elsewhere).fails(1, "for another resource");

    // By its own key, over the network, as a library in it would.
    let told = run
        .types("printf '%s %s %s' \"$MARQUE_ISSUER\" \"$MARQUE_CLIENT_ID\" \"$MARQUE_KEY_FILE\"");
    let [of, client, key] = told.out.split(' ').collect::<Vec<_>>()[..] else { panic!("{told:?}") };
    assert_eq!((of, client), (&*issuer, &*run.id));
    let mode = std::fs::metadata(key).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let named = format!("--client {client} --key {key} --confirm-key {key}");
    let told = run.types(&format!("{issue} {named} > {token}"));
    assert_eq!(told.code, 0, "{told:?}");
    world.cli(&verify).ok();

    let told = run.types(&format!("{marque} token issue --resource {BILLING} --scope nothing"));
    assert_eq!(told.code, 3, "{told:?}");
    let pem = std::fs::read_to_string(key).unwrap();
    let (secret, key) = (pem.lines().nth(1).unwrap().to_owned(), key.to_owned());
    run.ends();
    assert!(!std::path::Path::new(&key).exists(), "the key is gone with the run");
    assert!(!world.server_output().contains(&secret), "the key is in the trace");
    let log = world.cli(&["log", "query", "--limit", "100"]);
    assert!(log.ok().contains("was issued tok_") && !log.out.contains(&secret), "{}", log.out);
    let kept = world.cli(&["log", "export"]);
    assert!(!kept.whole().contains(&secret), "the key is in the record");
}

/// The token that `--wait` prints once a human has said yes.
fn waits_for_a_human(world: &World, issue: &[&str]) -> String {
    std::thread::scope(|scope| {
        let waiting =
            scope.spawn(|| world.cli(&[issue, &["--scope", "invoices:write", "--wait"]].concat()));
        let asked = eventually("a human is asked", || {
            let asked = world.json(&["approval", "list"]);
            asked[0]["approval"]["id"].as_str().map(str::to_owned)
        });
        world.cli(&["approval", "give", &asked]).ok();
        let waited = waiting.join().unwrap();
        assert!(waited.err.contains(&format!("marque approval give {asked}")), "{}", waited.err);
        waited.ok().to_owned()
    })
}

#[test]
fn a_client_outside_waits_for_a_human_and_a_token_is_taken_back() {
    let (world, issuer) = issuing();
    let (private, public) = key_pair(&world, "desk");
    let told = world.cli(&["client", "add", "desk", "--agent", "bot", "--key", &public]);
    for said in [&issuer, "private_key_jwt", "/oauth/token", "client_id"] {
        assert!(told.err.contains(said), "`{said}` is missing: {}", told.whole());
    }
    told.ok();
    let id = world.json(&["client", "show", "desk"])["id"].as_str().unwrap().to_owned();
    let who = ["--client", &id, "--key", &private];
    let issue = ["token", "issue", "--resource", BILLING, "--confirm-key", &private];
    let ask = |scope: &str| world.cli(&[&issue[..], &who, &["--scope", scope]].concat());
    let held = ask("invoices:write");
    held.fails(4, "authorization_pending").hints("marque approval give apr_");
    let approval = world.json(&["approval", "list"])[0]["approval"]["id"].clone();
    world.cli(&["approval", "give", approval.as_str().unwrap()]).ok();
    let taken = ask("invoices:write").ok().to_owned();
    assert_ne!(taken, waits_for_a_human(&world, &[&issue[..], &who].concat()));
    let token = taken;
    assert!(!token.trim_end().contains(char::is_whitespace), "the token alone is printed");

    world.write("token", &token);
    let file = world.path("token");
    let file = file.to_str().unwrap();
    let verify = ["token", "verify", file, "--issuer", &issuer, "--audience", BILLING];
    let asking = [&verify[..], &who].concat();
    let good = world.cli(&asking);
    assert!(good.ok().contains("approved by a human  apr_"), "{}", good.whole());
    assert!(good.err.contains("that the run is open"), "{}", good.whole());
    let rehearsed = world.cli(&["token", "revoke", "--token", file, "--dry-run"]);
    assert!(rehearsed.ok().contains("taken back"));
    world.cli(&asking).ok();
    world.cli(&["token", "revoke", "--token", file]).ok();
    world.cli(&asking).fails(1, "not good");
    world.cli(&verify).ok();

    let rotated = world.cli(&["key", "rotate", "token"]);
    assert!(rotated.ok().contains("prepared") && rotated.err.contains("may sign from"));
    let keys = world.json(&["key", "list"]);
    let next = keys.as_array().unwrap().iter().find(|key| key["state"] == "prepared").unwrap();
    let next = next["id"].as_str().unwrap();
    assert!(world.cli(&["key", "retire", "token", next, "--dry-run"]).ok().contains("token ES256"));
    let left = world.cli(&["key", "retire", "token", next]);
    assert!(!left.ok().contains(next), "{}", left.whole());
    world.cli(&["key", "retire", "token", next]).fails(1, "key of tokens");
}
