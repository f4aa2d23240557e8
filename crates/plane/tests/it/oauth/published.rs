//! Keys that other issuers publish: who is asked, when, and what is believed.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use marque_crypto::proof_key::ProofKey;
use marque_domain::issuer::PersonNaming;
use marque_domain::{Event, KeySource};
use marque_plane::AdminError;
use marque_plane::outbound::Unfetched;
use marque_plane::spec::IssuerSpec;
use marque_plane::view::IssuerKeysView;
use marque_testkit::{Human, OAuthClient, Outside, Setup, TestPlane, fresh_name, issuing, jwks};
use marque_wire::jose::{Jwk, JwkSet, TokenClass, Unsigned};
use marque_wire::oauth::ErrorCode;
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

const API: &str = "https://api.test/";
const IDP: &str = "https://login.test/acme";
const OPENID: &str = "https://login.test/acme/.well-known/openid-configuration";
const OAUTH: &str = "https://login.test/.well-known/oauth-authorization-server/acme";
const KEYS: &str = "https://keys.test/acme";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const HOUR: Duration = Duration::from_secs(3_600);
const PATIENCE: Duration = Duration::from_secs(10);

struct Idp {
    outside: Arc<Outside>,
    plane: TestPlane,
    alice: Human,
    client: OAuthClient,
}

fn metadata(issuer: &str, keys: &str) -> String {
    json!({"issuer": issuer, "jwks_uri": keys, "authorization_endpoint": "https://login.test/a"})
        .to_string()
}

fn set(keys: &[&ProofKey]) -> String {
    let jwk = |key: &&ProofKey| Jwk {
        key: key.public().clone(),
        key_id: Some(key.public().thumbprint().to_owned()),
    };
    JwkSet::new(keys.iter().map(jwk).collect()).unwrap().to_json().to_string()
}

fn key() -> ProofKey {
    ProofKey::generate().unwrap()
}

async fn idp() -> Idp {
    let outside = Arc::new(Outside::default());
    outside.has(OPENID, metadata(IDP, KEYS));
    let plane = TestPlane::with(Setup { outside: Arc::clone(&outside), ..issuing() }).await;
    let alice = plane.alice();
    alice.registers("helper").await;
    alice.has_resource("api", API).await;
    alice.grants("helper", &["api:token", "api:scope *"]).await;
    let client = alice.has_client("helper-prod", "helper").await;
    Idp { outside, plane, alice, client }
}

impl Idp {
    async fn trusts(&self, source: KeySource) -> Result<IssuerKeysView, AdminError> {
        let spec = IssuerSpec {
            name: "login".parse().unwrap(),
            issuer: IDP.to_owned(),
            audience: "marque".to_owned(),
            jwks: String::new(),
            source: Some(source),
            naming: PersonNaming::Subject,
            people: [("00u1".to_owned(), "alice".parse().unwrap())].into(),
        };
        let added = self.plane.plane().add_issuer(&self.alice.acting().await, spec).await;
        added.map(|view| view.keys)
    }

    /// Trusts it while it publishes those keys.
    async fn publishes(&self, keys: &[&ProofKey]) {
        self.outside.has(KEYS, set(keys));
        self.trusts(KeySource::default()).await.unwrap();
    }

    /// Returns once that is so of the keys, by the schedule alone.
    async fn becomes(&self, is_so: impl Fn(&IssuerKeysView) -> bool) {
        let waiting = async {
            while !is_so(&self.keys().await) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the issuer is asked in time");
    }

    async fn keys(&self) -> IssuerKeysView {
        let shown = self.plane.plane().issuer_named(&self.alice.acting().await, "login");
        shown.unwrap().keys
    }

    async fn exchanges(&self, key: &ProofKey) -> Result<(), ErrorCode> {
        self.exchanges_as(&sign(key, &self.claims())).await
    }

    fn claims(&self) -> Value {
        let now = self.plane.plane().now().as_millis() / 1_000;
        json!({
            "iss": IDP, "sub": "00u1", "aud": "marque", "jti": fresh_name(),
            "iat": now, "exp": now + 200,
        })
    }

    async fn exchanges_as(&self, subject: &str) -> Result<(), ErrorCode> {
        let actor = self.client.assertion();
        let parameters = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", subject),
            ("subject_token_type", ID_TOKEN),
            ("actor_token", actor.as_str()),
            ("actor_token_type", JWT),
            ("resource", API),
        ];
        let got = self.client.asks(&parameters).await;
        got.map(|_| ()).map_err(|refused| refused.body.error)
    }

    fn changes(&self) -> Vec<(Option<String>, String, u64)> {
        let log = self.plane.log();
        let change = |event: &Event| match event {
            Event::IssuerKeysChanged { old, new, keys, .. } => {
                Some((old.map(|old| old.to_string()), new.to_string(), *keys))
            }
            _ => None,
        };
        log.entries().iter().filter_map(|entry| change(&entry.event)).collect()
    }
}

fn sign(key: &ProofKey, claims: &Value) -> String {
    let (algorithm, kid) = (key.public().algorithm(), key.public().thumbprint());
    let claims: Map<String, Value> = claims.as_object().cloned().unwrap();
    let unsigned = Unsigned::new(TokenClass::IdToken, algorithm, kid, &claims);
    let signature = key.sign(unsigned.signing_input()).unwrap();
    String::from_utf8(unsigned.finish(&signature).unwrap().expose().to_vec()).unwrap()
}

#[tokio::test]
async fn keys_are_found_through_metadata_and_followed_when_they_change() {
    let idp = idp().await;
    let (first, second) = (key(), key());
    idp.publishes(&[&first]).await;
    idp.exchanges(&first).await.unwrap();

    // The next key is published, signs, and the first one goes.
    idp.outside.has(KEYS, set(&[&first, &second]));
    idp.plane.clock().advance(HOUR);
    idp.exchanges(&second).await.expect("a key that nobody knows is asked for");
    idp.exchanges(&first).await.unwrap();
    idp.outside.has(KEYS, set(&[&second]));
    idp.plane.clock().advance(2 * HOUR);
    idp.becomes(|keys| keys.count == 1).await;
    idp.exchanges(&second).await.unwrap();
    assert_eq!(idp.exchanges(&first).await.unwrap_err(), ErrorCode::InvalidRequest);

    let changes = idp.changes();
    let counts: Vec<u64> = changes.iter().map(|(_, _, keys)| *keys).collect();
    assert_eq!(counts, [1, 2, 1], "every other set is in the log, and no other fetch");
    assert_eq!(changes[0].0, None);
    assert_eq!(changes[1].0.as_ref(), Some(&changes[0].1));
    let shown = idp.keys().await;
    assert_eq!((shown.from.as_deref(), shown.count), (Some(KEYS), 1));
    assert_eq!(shown.digest.to_string(), changes[2].1);
}

// threat 24
#[tokio::test]
async fn strangers_make_nobody_ask_more_than_once_a_minute() {
    let idp = idp().await;
    let known = key();
    idp.publishes(&[&known]).await;
    idp.plane.clock().advance(Duration::from_secs(120));
    let before = idp.outside.times(KEYS);
    for _ in 0..20 {
        assert_eq!(idp.exchanges(&key()).await.unwrap_err(), ErrorCode::InvalidRequest);
    }
    assert_eq!(idp.outside.times(KEYS), before + 1, "once, whoever asks");
    idp.exchanges(&known).await.unwrap();
    idp.plane.clock().advance(Duration::from_secs(61));
    assert!(idp.exchanges(&key()).await.is_err());
    assert_eq!(idp.outside.times(KEYS), before + 2);
}

// threat 24
#[tokio::test]
async fn many_who_wait_for_one_key_wait_for_one_fetch() {
    let idp = Arc::new(idp().await);
    let (first, second) = (key(), key());
    idp.publishes(&[&first]).await;
    idp.outside.has(KEYS, set(&[&first, &second]));
    idp.plane.clock().advance(Duration::from_secs(120));
    idp.outside.stalls();
    let before = idp.outside.times(OPENID);
    let tokens = [(); 8].map(|()| sign(&second, &idp.claims()));
    let mut asking = JoinSet::new();
    for token in tokens {
        let idp = Arc::clone(&idp);
        asking.spawn(async move { idp.exchanges_as(&token).await });
    }
    while idp.outside.times(OPENID) == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    idp.outside.answers();
    for answer in asking.join_all().await {
        answer.expect("each is answered by the one fetch");
    }
    assert_eq!(idp.outside.times(OPENID), before + 1);
}

// threat 23
#[tokio::test]
async fn an_issuer_that_is_down_is_believed_for_a_while_and_no_longer() {
    let idp = idp().await;
    let known = key();
    idp.publishes(&[&known]).await;
    idp.outside.fails(KEYS, Unfetched::Failed("it broke off".to_owned()));
    idp.plane.clock().advance(24 * HOUR);
    idp.becomes(|keys| keys.error.is_some()).await;
    idp.exchanges(&known).await.expect("a night is no reason to refuse anybody");
    let shown = idp.keys().await;
    assert!(shown.error.unwrap().contains("it broke off"));
    assert!(!shown.stale);

    idp.plane.clock().advance(25 * HOUR);
    assert_eq!(idp.exchanges(&known).await.unwrap_err(), ErrorCode::InvalidRequest);
    assert!(idp.keys().await.stale);
    idp.outside.has(KEYS, set(&[&known]));
    idp.plane.clock().advance(2 * HOUR);
    idp.exchanges(&known).await.expect("whoever is back is believed again");
}

// threat 23: what cannot be read as a set of good keys changes nothing.
#[tokio::test]
async fn a_bad_answer_leaves_the_keys_that_are_known() {
    let idp = idp().await;
    let known = key();
    idp.publishes(&[&known]).await;
    let private = set(&[&known]).replacen("{\"", "{\"d\":\"AAAA\",\"", 2);
    let deep = format!("{{\"keys\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let many = json!({"keys": vec![json!({"kty": "oct"}); 65]}).to_string();
    let bad = [
        "x".repeat(1024 * 1024),
        "{\"keys\":[]}".to_owned(),
        "<html>".to_owned(),
        deep,
        many,
        private,
    ];
    for body in bad {
        idp.outside.has(KEYS, body.clone());
        idp.plane.clock().advance(2 * HOUR);
        assert!(idp.exchanges(&key()).await.is_err());
        idp.exchanges(&known).await.unwrap_or_else(|error| panic!("{error:?}: {body:.40}"));
        assert!(idp.keys().await.error.is_some(), "{body:.40}");
    }
    assert_eq!(idp.changes().len(), 1);
}

// threat 23, threat 12
#[tokio::test]
async fn metadata_of_another_issuer_is_not_followed() {
    let idp = idp().await;
    idp.outside.has(KEYS, set(&[&key()]));
    for (issuer, keys) in [
        ("https://login.test/acme/", KEYS),
        ("https://login.test/evil", KEYS),
        ("https://LOGIN.test/acme", KEYS),
        (IDP, "http://keys.test/acme"),
        (IDP, "http://127.0.0.1/keys"),
        (IDP, "file:///etc/passwd"),
    ] {
        idp.outside.has(OPENID, metadata(issuer, keys));
        let refused = idp.trusts(KeySource::default()).await.unwrap_err();
        assert!(refused.message.contains("cannot be fetched"), "{refused}");
        assert_eq!(idp.outside.times(KEYS), 0, "{issuer} {keys}");
    }
    assert_eq!(idp.changes(), [], "nothing is kept of it");
}

#[tokio::test]
async fn the_other_metadata_is_asked_where_there_is_no_openid() {
    let idp = idp().await;
    idp.outside.fails(OPENID, Unfetched::Status(404));
    idp.outside.has(OAUTH, metadata(IDP, KEYS));
    idp.outside.has(KEYS, set(&[&key()]));
    assert_eq!(idp.trusts(KeySource::default()).await.unwrap().from.as_deref(), Some(KEYS));
    // A server that fails, or sends elsewhere, is not asked in another way.
    let other = self::idp().await;
    for status in [302, 500] {
        other.outside.fails(OPENID, Unfetched::Status(status));
        let refused = other.trusts(KeySource::default()).await.unwrap_err();
        assert!(refused.message.contains(&status.to_string()), "{refused}");
    }
    assert_eq!(other.outside.times(OAUTH), 0);
}

// threat 23: a human opens a private network for the host they named, and for that one alone.
#[tokio::test]
async fn metadata_leads_into_no_private_network() {
    let idp = idp().await;
    idp.outside.has(KEYS, set(&[&key()]));
    idp.trusts(KeySource { private: true, ..KeySource::default() }).await.unwrap();
    let asked = idp.outside.asked();
    let private = |url| asked.iter().filter(|one| one.url.as_str() == url).all(|one| one.private);
    assert!(private(OPENID));
    assert!(!private(KEYS));
}

// threats 2 to 5 and 23: keys and addresses in a token count for nothing.
#[tokio::test]
async fn no_url_of_a_token_is_ever_asked() {
    let idp = idp().await;
    idp.publishes(&[&key()]).await;
    idp.plane.clock().advance(Duration::from_secs(120));
    let evil = key();
    let token = sign(&evil, &idp.claims());
    let [header, rest] = token.splitn(2, '.').collect::<Vec<_>>()[..] else { unreachable!() };
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    let hints = [
        ("jku", json!("https://evil.test/keys")),
        ("x5u", json!("https://evil.test/chain")),
        ("jwk", serde_json::from_str::<Value>(&jwks(&evil)).unwrap()["keys"][0].clone()),
        ("x5c", json!(["AAAA"])),
    ];
    for (name, value) in hints {
        let mut hinted = header.clone();
        hinted[name] = value;
        let forged = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(hinted.to_string()));
        assert_eq!(idp.exchanges_as(&forged).await.unwrap_err(), ErrorCode::InvalidRequest);
    }
    let mut elsewhere = idp.claims();
    elsewhere["iss"] = "https://evil.test".into();
    elsewhere["jwks_uri"] = "https://evil.test/keys".into();
    assert!(idp.exchanges_as(&sign(&evil, &elsewhere)).await.is_err());
    let asked = idp.outside.asked();
    assert!(asked.iter().all(|one| !one.url.as_str().contains("evil")), "{asked:?}");
}

#[tokio::test]
async fn an_explicit_address_needs_no_metadata_and_must_be_https() {
    let idp = idp().await;
    idp.outside.has(KEYS, set(&[&key()]));
    for bad in ["http://keys.test/acme", "http://127.0.0.1/keys", "keys.test", "ftp://keys.test/"] {
        let source = KeySource { jwks_uri: Some(bad.to_owned()), ..KeySource::default() };
        idp.trusts(source).await.expect_err(bad);
    }
    assert!(idp.outside.asked().is_empty());
    let source = KeySource { jwks_uri: Some(KEYS.to_owned()), ..KeySource::default() };
    idp.trusts(source).await.unwrap();
    assert_eq!(idp.outside.times(OPENID), 0);
}
