use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use marque_crypto::Secret;
use marque_crypto::hash::sha256;
use marque_domain::{Endpoint, Slot};
use marque_plane::Injection;
use proptest::prelude::*;

use super::{address, origin_form, parameters, strip, strip_response};

fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn injection(header: &str, value: &[u8]) -> Injection {
    let value = Secret::from_vec(value.to_vec());
    Injection { header: header.to_owned(), bare: value.duplicate(), value }
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

fn endpoint(host: &str, port: u16) -> Endpoint {
    Endpoint { host: host.to_owned(), port }
}

// threat 64, threat 65, threat 88, threat 89
#[test]
fn nothing_the_client_says_about_itself_crosses() {
    let mut headers = fields(&[
        ("authorization", "Bearer borrowed"),
        ("proxy-authorization", "Basic cnVuOnNlY3JldA=="),
        ("cookie", "session=1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("forwarded", "for=10.0.0.1"),
        ("x_forwarded_for", "10.0.0.1"),
        ("marque-run", "run_1"),
        ("connection", "keep-alive"),
        ("host", "api.test"),
        ("content_length", "5"),
        ("x.real.ip", "10.0.0.1"),
        ("x-api-key", "placeholder"),
        ("x_api_key", "placeholder"),
        ("x-api_key", "placeholder"),
        ("x.api.key", "placeholder"),
        ("x-tenant", "placeholder"),
        ("x-apikey", "kept"),
        ("accept", "*/*"),
    ]);
    let slots = ["x-api-key", "x_tenant"].map(|name| Slot::Header { name: name.to_owned() });
    strip(&mut headers, slots.iter().chain([&Slot::Bearer {}]));
    assert_eq!(names(&headers), ["accept", "x-apikey"]);
}

// threat 127
#[test]
fn every_field_that_is_sent_on_identifies_the_effect_but_for_the_listed_few() {
    let sent = [("accept", "a/b"), ("x-mode", "dry"), ("user-agent", "curl"), ("x-mode", "run")];
    let shown = parameters(&fields(&sent));
    let expected = [("header.accept", "a/b"), ("header.x-mode", "dry\nrun")];
    assert!(shown.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected));
    for (name, value) in [("accept", "a/c"), ("x-new", "1"), ("x-mode", "again")] {
        let mut changed = sent.to_vec();
        changed.push((name, value));
        assert_ne!(parameters(&fields(&changed)), shown, "adding `{name}: {value}`");
    }
}

// threat 127, threat 144
#[test]
fn a_value_that_may_be_secret_is_known_by_its_digest_which_no_text_can_pass_for() {
    let digest = sha256(b"hunter2").to_string();
    let secret = parameters(&fields(&[("x-auth-token", "hunter2")]));
    let text = parameters(&fields(&[("x-auth-token", &digest)]));
    assert_eq!(secret.get("header-digest.x-auth-token"), Some(&digest));
    assert!(!secret.values().any(|value| value.contains("hunter2")));
    assert_ne!(secret, text);

    let long = "a".repeat(600);
    let posed = sha256(long.as_bytes()).to_string();
    assert_ne!(parameters(&fields(&[("x-a", &long)])), parameters(&fields(&[("x-a", &posed)])));
}

#[test]
fn the_credential_replaces_whatever_stood_in_its_slot_and_the_host_is_written_anew() {
    let mut headers = fields(&[("authorization", "Bearer mine"), ("host", "elsewhere.test")]);
    let injected = injection("authorization", b"Bearer ours");
    address(&mut headers, "https", &endpoint("api.test", 443), Some(injected)).unwrap();
    assert_eq!(names(&headers), ["authorization", "host"]);
    assert_eq!(headers.get("authorization").unwrap(), "Bearer ours");
    assert!(headers.get("authorization").unwrap().is_sensitive());
    assert_eq!(headers.get("host").unwrap(), "api.test");

    address(&mut headers, "http", &endpoint("[2001:db8::1]", 8080), None).unwrap();
    assert_eq!(headers.get("host").unwrap(), "[2001:db8::1]:8080");
}

// threat 65
#[test]
fn no_other_spelling_of_its_slot_goes_beside_the_credential() {
    let spellings = [("x_api_key", "mine"), ("x-api-key", "mine"), ("x.api_key", "mine")];
    let mut headers = fields(&spellings);
    let injected = injection("x-api-key", b"ours");
    address(&mut headers, "https", &endpoint("api.test", 443), Some(injected)).unwrap();
    assert_eq!(names(&headers), ["host", "x-api-key"]);
    assert_eq!(headers.get("x-api-key").unwrap(), "ours");
}

// threat 87
#[test]
fn a_credential_with_a_line_break_is_never_set() {
    let injected = injection("authorization", b"Bearer a\r\nx-b: c");
    let set = address(&mut HeaderMap::new(), "http", &endpoint("api.test", 80), Some(injected));
    assert_eq!(set, None);
}

#[test]
fn an_upstream_cannot_speak_in_our_name() {
    let mut headers = fields(&[
        ("marque-refusal", "refused.run.killed"),
        ("marque_refusal", "refused.run.killed"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("location", "https://elsewhere.test/"),
    ]);
    strip_response(&mut headers);
    assert_eq!(names(&headers), ["location"]);
}

proptest! {
    // threat 84: what was decided is what is sent, byte for byte.
    #[test]
    fn a_path_is_sent_on_in_the_very_bytes_that_were_decided(raw in "/[ -~]{0,40}") {
        if let Ok(path) = marque_wire::path::canonical_path(&raw)
            && let Some(target) = origin_form(path.as_str())
        {
            prop_assert_eq!(target.to_string(), path.as_str());
        }
    }
}
