use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method};
use marque_wire::host::{Authority, Host};

use super::{ACCESS_DENIED, UNRECOGNIZED_NAME, Way, agree, inner_path};
use crate::refuse::Place;

fn hello_for(host: &str, name: Option<&str>) -> Result<(), u8> {
    agree(&Host::parse(host).unwrap(), name, Some(false))
}

/// The path of a GET inside a tunnel, or the first line of the refusal.
fn inside(tunnel: &str, host: Option<&'static str>, target: &str) -> Result<String, String> {
    inside_of(tunnel, (Place::Tunnel, "https"), host, target)
}

fn inside_of(
    authority: &str,
    (place, scheme): (Place, &'static str),
    host: Option<&'static str>,
    target: &str,
) -> Result<String, String> {
    let way = Way { authority: Authority::parse(authority).unwrap(), place, scheme };
    let mut headers = HeaderMap::new();
    if let Some(host) = host {
        headers.insert(HOST, HeaderValue::from_static(host));
    }
    inner_path(&way, &Method::GET, target, &headers)
        .map(|path| path.to_string())
        .map_err(|notice| format!("{notice:?}"))
}

// threat 78, threat 83
#[test]
fn the_name_of_the_hello_must_be_the_host_of_the_connect() {
    assert_eq!(hello_for("api.test", Some("api.test")), Ok(()));
    assert_eq!(hello_for("api.test", Some("API.test")), Ok(()));
    assert_eq!(hello_for("192.0.2.7", None), Ok(()));
    for (host, name) in [
        ("api.test", None),
        ("api.test", Some("other.test")),
        ("api.test", Some("api.test.evil.test")),
        ("api.test", Some("api.test.")),
        ("api.test", Some("")),
        ("192.0.2.7", Some("api.test")),
        ("[2001:db8::1]", Some("api.test")),
    ] {
        assert_eq!(hello_for(host, name), Err(UNRECOGNIZED_NAME), "{host} and {name:?}");
    }
}

// DESIGN section 7: encrypted client hello is refused, and so is one that cannot be read.
#[test]
fn a_hello_that_hides_its_host_is_denied() {
    let host = Host::parse("api.test").unwrap();
    for seen in [Some(true), None] {
        assert_eq!(agree(&host, Some("api.test"), seen), Err(ACCESS_DENIED));
    }
}

// threat 75, threat 78
#[test]
fn the_host_inside_must_be_the_host_of_the_connect() {
    let ok = Ok("/v1?a=1".to_owned());
    assert_eq!(inside("api.test:443", Some("api.test"), "/v1?a=1"), ok);
    assert_eq!(inside("api.test:443", Some("Api.Test:443"), "/v1?a=1"), ok);
    assert_eq!(inside("api.test:8443", Some("api.test:8443"), "/v1?a=1"), ok);
    for (tunnel, host, target) in [
        ("api.test:443", None, "/v1"),
        ("api.test:443", Some("other.test"), "/v1"),
        ("api.test:443", Some("api.test:8443"), "/v1"),
        ("api.test:8443", Some("api.test"), "/v1"),
        ("api.test:443", Some("api.test@other.test"), "/v1"),
        ("api.test:443", Some("api.test"), "http://api.test/v1"),
        ("api.test:443", Some("api.test"), "http://other.test/v1"),
    ] {
        let refused = inside(tunnel, host, target).unwrap_err();
        assert!(refused.contains("status: 421"), "{tunnel} {host:?} {target}: {refused}");
    }
}

// threat 75, threat 78, threat 100
#[test]
fn the_host_of_a_request_in_a_captured_run_must_be_the_one_it_dialled() {
    let captured = (Place::Captured, "http");
    let ask = |host, target| inside_of("api.test:80", captured, Some(host), target);
    for host in ["api.test", "API.test:80"] {
        assert_eq!(ask(host, "/v1"), Ok("/v1".to_owned()), "{host}");
    }
    for (host, target) in [
        ("other.test", "/v1"),
        ("api.test:443", "/v1"),
        ("api.test", "http://api.test/v1"),
        ("api.test", "http://other.test/v1"),
    ] {
        let refused = ask(host, target).unwrap_err();
        assert!(refused.contains("status: 421"), "{host} {target}: {refused}");
        assert!(!refused.contains("tunnel"), "{host} {target}: {refused}");
    }
    assert!(inside_of("api.test:8080", captured, Some("api.test"), "/").is_err());
    assert!(inside_of("api.test:8080", captured, Some("api.test:8080"), "/").is_ok());
}

// threat 84
#[test]
fn a_path_that_could_mean_another_is_no_request() {
    for target in ["/a/../b", "/a/%2e%2e/b", "//b", "/a;x=1", "/a%2fb", "/a%00"] {
        let refused = inside("api.test:443", Some("api.test"), target).unwrap_err();
        assert!(refused.contains("status: 400"), "{target}: {refused}");
    }
}
