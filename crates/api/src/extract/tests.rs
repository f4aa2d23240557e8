use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Request};

use marque_plane::spec::AgentSpec;
use serde::de::DeserializeOwned;

use super::{
    Body, FromRequestParts as _, Given, GivenSecretly, Presented, Whole, factor, presented,
};
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

async fn given<T: DeserializeOwned>(body: Vec<u8>) -> Option<T> {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.extensions.insert(Whole::read(Body::from(body), BODY_MAX_BYTES).await.unwrap());
    Given::<T>::from_request_parts(&mut parts, &()).await.ok().map(|given| given.0)
}

async fn connection(body: String) -> Option<ConnectionBody> {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.extensions.insert(Whole::read(Body::from(body), BODY_MAX_BYTES).await.unwrap());
    let given = GivenSecretly::<ConnectionBody>::from_request_parts(&mut parts, &()).await;
    given.ok().map(|given| given.body)
}

// In the manner of JSONTestSuite.
#[tokio::test]
async fn a_body_that_two_readers_read_differently_is_refused() {
    let agent = |text: &str| given::<AgentSpec>(text.as_bytes().to_vec());
    let fine = r#"{"name":"bot","purpose":"\u00e9\ud834\udd1e"}"#;
    assert_eq!(agent(fine).await.unwrap().purpose, "\u{e9}\u{1d11e}");
    assert!(agent(&format!(" \r\n\t{fine} \n")).await.is_some());
    let digest = format!("sha256:{}", "0".repeat(64));
    let twice = format!(r#"{{"code":"{digest}","code":"{digest}"}}"#);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for wrong in [
        String::new(),
        "\u{feff}".to_owned() + fine,
        format!("{fine}{fine}"),
        format!("{fine}]"),
        format!("{fine}\0"),
        format!("{fine}// a"),
        fine.replace('}', ",}"),
        fine.replace('"', "'"),
        fine.replace("\"name\"", "name"),
        fine.replace('{', r#"{"name":"other","#),
        fine.replace('{', r#"{"n\u0061me":"other","#),
        fine.replace('{', r#"{"Name":"other","#),
        fine.replace('{', &format!(r#"{{"digests":{twice},"#)),
        fine.replace(r"\udd1e", ""),
        fine.replace(r"\ud834", ""),
        fine.replace(r"\u00e9", r"\ud834\ud834"),
        fine.replace(r"\u00e9", r"\x41"),
        fine.replace(r"\u00e9", r"\u00g9"),
        fine.replace(r"\u00e9", "\n"),
        fine.replace(r"\u00e9", "\0"),
        format!(r#"{{"name":"bot","purpose":{deep}}}"#),
        deep.clone(),
        format!("[{fine}"),
    ] {
        assert!(agent(&wrong).await.is_none(), "{wrong:.80}");
    }
    let latin = fine.replace(r"\u00e9", "?").into_bytes();
    let latin = latin.into_iter().map(|byte| if byte == b'?' { 0xe9 } else { byte });
    assert!(given::<AgentSpec>(latin.collect()).await.is_none());
}

#[tokio::test]
async fn a_number_in_a_body_is_what_it_is_or_refused() {
    let floor = async |number: &str| {
        let spec = format!(r#"{{"name":"api","hosts":["a.test"],"trust_floor":{number}}}"#);
        let read = connection(format!(r#"{{"connection":{spec}}}"#)).await;
        read.map(|body| body.connection.trust_floor)
    };
    assert_eq!(floor("7").await, Some(7));
    for wrong in [
        "07",
        "+7",
        "-7",
        "-0",
        "7.0",
        "7e0",
        "0x7",
        "256",
        "1e400",
        "NaN",
        "Infinity",
        "7.",
        ".7",
        "18446744073709551623",
        "\u{ff17}",
        "\"7\"",
        "7 7",
        "7,",
        "true",
        "[7]",
    ] {
        assert_eq!(floor(wrong).await, None, "{wrong}");
    }
}

// A connection was once read through a map, which keeps the last of two members.
#[tokio::test]
async fn a_connection_beside_a_secret_has_each_member_once() {
    let body =
        r#"{"connection":{"name":"api","hosts":["a.test"],"plain_http":false},"secret":"s"}"#;
    assert!(connection(body.to_owned()).await.is_some());
    for (member, twice) in [
        ("\"plain_http\"", r#""plain_http":true,"#),
        ("\"plain_http\"", r#""plain\u005fhttp":true,"#),
        ("\"hosts\"", r#""hosts":["b.test"],"#),
        ("\"connection\"", r#""connection":{"name":"b","hosts":["b.test"]},"#),
        ("\"secret\"", r#""secret":"t","#),
    ] {
        let body = body.replacen(member, &format!("{twice}{member}"), 1);
        assert!(connection(body.clone()).await.is_none(), "{body}");
    }
}
