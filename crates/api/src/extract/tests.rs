use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Request};

use super::{Body, FromRequest as _, GivenSecretly, Presented, factor, presented};
use crate::exchange::ConnectionBody;

fn with(value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    headers
}

fn basic(pair: &str) -> HeaderMap {
    use base64::Engine as _;
    with(&format!("Basic {}", super::STANDARD.encode(pair)))
}

#[test]
fn a_factor_ends_its_user_at_the_first_colon_and_may_hold_spaces() {
    let read = factor(&basic("alice:correct horse: battery")).unwrap().unwrap();
    assert_eq!(read.user.unwrap().as_str(), "alice");
    assert!(read.passphrase.matches(b"correct horse: battery"));
    assert!(factor(&basic(":only one user")).unwrap().unwrap().user.is_none());
    assert!(factor(&HeaderMap::new()).unwrap().is_none());
}

#[test]
fn anything_but_one_well_formed_field_is_refused() {
    for wrong in ["Basic", "Basic !", "Basic YWJj", "Bearer abc", "Basic YToK YToK"] {
        assert!(factor(&with(wrong)).is_err(), "`{wrong}` must be refused");
    }
    let mut twice = basic("a:b");
    twice.append(AUTHORIZATION, HeaderValue::from_static("Basic YTpj"));
    assert!(factor(&twice).is_err());
}

#[test]
fn a_run_is_presented_with_its_id_and_secret() {
    let Presented::RunSecret { run, secret } = presented(&with("Marque-Run run_1:abc")).unwrap()
    else {
        unreachable!("a run was presented")
    };
    assert_eq!(run, "run_1");
    assert!(secret.matches(b"abc"));
    assert!(presented(&with("Marque-Run abc")).is_err());
}

#[tokio::test]
async fn a_secret_is_set_apart_and_never_quoted() {
    let read = |body: &'static str| {
        let request = Request::post("/").body(Body::from(body)).unwrap();
        GivenSecretly::<ConnectionBody>::from_request(request, &())
    };
    let body = r#"{"connection":{"name":"api","hosts":["api.example"]},"secret":"hunter2"}"#;
    let given = read(body).await.unwrap();
    assert!(given.secret.unwrap().matches(b"hunter2"));
    for wrong in [
        r#"{"connection":{"name":"api","hosts":[]},"secret":424242}"#,
        r#"{"connection":{"name":"api","hosts":[]},"secret":"424242","secret":"424242"}"#,
        r#"{"connection":{"name":"api","hosts":[]},"more":1,"secret":"424242"}"#,
    ] {
        let told = format!("{:?}", read(wrong).await.err().unwrap());
        assert!(!told.contains("424242"), "{told}");
    }
}
