use http::HeaderValue;

use super::*;

fn refused(value: &str) -> Option<BadProxyAuth> {
    ProxyCredentials::parse(value.as_bytes()).err()
}

fn basic(credentials: &[u8]) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}

#[test]
fn a_user_and_a_password_are_read() {
    let mut headers = HeaderMap::new();
    assert!(ProxyCredentials::from_headers(&headers).unwrap().is_none());
    let value = basic(b"run_01JX:s3cret:with:colons");
    headers.insert(PROXY_AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
    let credentials = ProxyCredentials::from_headers(&headers).unwrap().unwrap();
    assert_eq!(credentials.user, "run_01JX");
    assert_eq!(credentials.password.expose(), b"s3cret:with:colons");
    assert_eq!(refused(&value.replacen("Basic", "bASIC", 1)), None);
}

#[test]
fn threat_61_two_proxy_authorizations_are_refused() {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(&basic(b"run:secret")).unwrap();
    headers.append(PROXY_AUTHORIZATION, value.clone());
    headers.append(PROXY_AUTHORIZATION, value);
    let refusal = ProxyCredentials::from_headers(&headers).err();
    assert_eq!(refusal, Some(BadProxyAuth::Repeated));
}

#[test]
fn only_the_exact_form_is_accepted() {
    let cases = [
        ("", BadProxyAuth::NotBasic),
        ("Basic", BadProxyAuth::NotBasic),
        ("Bearer cnVuOnM=", BadProxyAuth::NotBasic),
        ("Basic\tcnVuOnM=", BadProxyAuth::NotBasic),
        ("Basic  cnVuOnM=", BadProxyAuth::BadEncoding),
        ("Basic cnVuOnM= ", BadProxyAuth::BadEncoding),
        ("Basic cnVuOnM", BadProxyAuth::BadEncoding),
        ("Basic cnVuOnN=", BadProxyAuth::BadEncoding),
        ("Basic cnVuOnM=, Basic cnVuOnM=", BadProxyAuth::BadEncoding),
        ("Basic ", BadProxyAuth::BadCredentials),
    ];
    for (value, reason) in cases {
        assert_eq!(refused(value), Some(reason), "{value:?}");
    }
    let contents: [&[u8]; 7] =
        [b"run", b":secret", b"run:", b"r un:s", b"run:\xc3\xa9", b"run\0:s", &[b'a'; 200]];
    for content in contents {
        assert_eq!(refused(&basic(content)), Some(BadProxyAuth::BadCredentials), "{content:?}");
    }
    assert_eq!(refused(&basic(&[b'a'; 1024])), Some(BadProxyAuth::TooLong));
}

#[test]
fn threat_87_line_breaks_do_not_hide_in_base64() {
    for content in [&b"run\r\nX: y:s"[..], b"run:s\r\nX: y", b"run:s\n"] {
        assert_eq!(refused(&basic(content)), Some(BadProxyAuth::BadCredentials));
    }
}
