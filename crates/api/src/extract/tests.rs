use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Request};

use super::{Body, FromRequestParts as _, GivenSecretly, Presented, Whole, factor, presented};
use crate::exchange::{BODY_MAX_BYTES, ConnectionBody};

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
    let read = async |body: &'static str| {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.extensions.insert(Whole::read(Body::from(body), BODY_MAX_BYTES).await.unwrap());
        GivenSecretly::<ConnectionBody>::from_request_parts(&mut parts, &()).await
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

#[tokio::test]
async fn a_body_in_pieces_is_read_whole_up_to_256_kib() {
    let pieces = |count: usize| {
        let pieces = std::iter::repeat_n("x".repeat(1_024), count);
        Body::from_stream(futures_util::stream::iter(pieces.map(Ok::<_, std::io::Error>)))
    };
    let whole = Whole::read(pieces(BODY_MAX_BYTES / 1_024), BODY_MAX_BYTES).await.unwrap();
    assert_eq!(whole.0.len(), BODY_MAX_BYTES);
    let told = format!(
        "{:?}",
        Whole::read(pieces(BODY_MAX_BYTES / 1_024 + 1), BODY_MAX_BYTES).await.err().unwrap()
    );
    assert!(told.contains("too_large"), "{told}");
}
