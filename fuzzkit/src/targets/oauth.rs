//! What clients ask of an authorization server: one spelling for each word, proofs that hold for
//! their request alone, lists that end.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use marque_crypto::proof_key::ProofKey;
use marque_wire::jose::{NumericDate, Unsigned};
use marque_wire::oauth::{
    AuthorizationDetails, DETAILS_MAX, DpopProof, ExpectedProof, Form, Htu, Introspection,
    IntrospectionRequest, Issuer, PROOF_AGE_MAX_SECS, PROOF_AHEAD_MAX_SECS, ReceivedRefusal,
    ReceivedToken, Resource, Scope, ServerEndpoints, StatusBits, StatusList, TokenRequest,
};
use serde_json::{Map, Value};

static KEY: LazyLock<ProofKey> = LazyLock::new(|| ProofKey::generate().unwrap());
const TARGET: &str = "https://gw.acme.example/mcp/billing";
const NOW: u64 = 1_795_316_400;

pub(super) fn check(data: &[u8]) {
    forms(data);
    answers(data);
    status_lists(data);
    if let Ok(text) = std::str::from_utf8(data) {
        words(text);
        details(text);
    }
    if let Ok(claims) = serde_json::from_slice::<Map<String, Value>>(data) {
        proofs(&claims);
    }
}

fn forms(data: &[u8]) {
    if let Ok(form) = Form::parse(data)
        && let Ok(request) = TokenRequest::parse(form)
    {
        for resource in &request.resource {
            assert_eq!(Resource::parse(resource.as_str()).as_ref(), Ok(resource));
        }
        let scope = request.scope.to_string();
        assert!(scope.is_empty() || Scope::parse(&scope) == Ok(request.scope));
    }
    if let Ok(form) = Form::parse(data)
        && let Ok(request) = IntrospectionRequest::parse(form)
    {
        assert!(!request.token.is_empty(), "a token of no bytes");
    }
}

/// What a client reads of a server: nothing that leads elsewhere, nothing it could not send.
fn answers(data: &[u8]) {
    let issuer = Issuer::parse("https://id.acme.example").unwrap();
    if let Ok(endpoints) = ServerEndpoints::read(data, &issuer) {
        let urls = [&endpoints.jwks, &endpoints.token].into_iter().chain(&endpoints.introspection);
        for url in urls {
            assert_eq!(url.origin(), issuer.as_str(), "an endpoint elsewhere");
            assert_eq!(format!("{}{}", url.origin(), url.tail()), url.as_str());
        }
    }
    if let Ok(token) = ReceivedToken::read(data) {
        let text = token.access_token.expose();
        assert!(!text.is_empty() && text.iter().all(u8::is_ascii_graphic));
    }
    if let Ok(refusal) = ReceivedRefusal::read(data) {
        assert!(!refusal.error.is_empty());
    }
    if let Ok(answer) = Introspection::read(data) {
        let printed = Value::Object(answer.to_json()).to_string();
        assert_eq!(Introspection::read(printed.as_bytes()), Ok(answer), "it prints otherwise");
    }
}

fn words(text: &str) {
    if let Ok(issuer) = Issuer::parse(text) {
        assert_eq!(issuer.as_str(), text, "an issuer has two spellings");
        assert!(Resource::parse(text).is_ok(), "an issuer is no resource");
    }
    if let Ok(resource) = Resource::parse(text) {
        assert_eq!(resource.as_str(), text, "a resource has two spellings");
        assert!(!text.contains('#') && text.is_ascii());
    }
    if let Ok(target) = Htu::parse(text) {
        assert_eq!(Htu::parse(target.as_str()).as_ref(), Ok(&target), "a target changes again");
        assert!(!target.as_str().contains(['?', '#', '@']) || text.contains('@'));
    }
    if let Ok(scope) = Scope::parse(text) {
        assert_eq!(Scope::parse(&scope.to_string()), Ok(scope), "a scope prints otherwise");
    }
}

fn details(text: &str) {
    if let Ok(details) = AuthorizationDetails::parse(text) {
        assert!(details.as_slice().len() <= DETAILS_MAX);
        let lenient: Value = serde_json::from_str(text).expect("what was read is JSON");
        let lenient = lenient.as_array().expect("what was read is a list");
        let kinds = details.as_slice().iter().map(|detail| detail.kind.as_str());
        assert!(kinds.eq(lenient.iter().filter_map(|detail| detail["type"].as_str())));
        let printed = details.to_json().to_string();
        // Numbers may be spelt longer than they came: `1e15`.
        let again = AuthorizationDetails::parse(&printed);
        let is_longer = printed.len() > text.len() && again.is_err();
        assert!(is_longer || again == Ok(details), "details print otherwise");
    }
}

/// Claims that are signed: if they hold, they say what was expected.
fn proofs(claims: &Map<String, Value>) {
    let unsigned = Unsigned::proof(KEY.public(), claims);
    let signature = KEY.sign(unsigned.signing_input()).unwrap();
    let Ok(proof) = unsigned.finish(&signature) else { return };
    let target = Htu::parse(TARGET).unwrap();
    let expected = ExpectedProof {
        method: "POST",
        target: &target,
        now: NumericDate::from_seconds(NOW).unwrap(),
        nonces: None,
        access_token: None,
        key: None,
    };
    if DpopProof::check(proof.expose(), &expected).is_ok() {
        assert_eq!(claims["htm"], "POST");
        let said = claims["htu"].as_str().and_then(|text| Htu::parse(text).ok());
        assert_eq!(said.as_ref(), Some(&target));
        let iat = claims["iat"].as_u64().expect("a date is a whole number");
        assert!((NOW - PROOF_AGE_MAX_SECS..=NOW + PROOF_AHEAD_MAX_SECS).contains(&iat));
        assert!(!claims.contains_key("ath"), "a proof for a token, without one");
    }
}

fn status_lists(data: &[u8]) {
    for bits in [StatusBits::One, StatusBits::Eight] {
        if let Ok(list) = StatusList::unpack(bits, &URL_SAFE_NO_PAD.encode(data)) {
            assert!(list.status(list.places()).is_err());
            let packed = list.pack().unwrap();
            assert_eq!(StatusList::unpack(bits, &packed), Ok(list), "a list packs otherwise");
        }
    }
}
