use http::{HeaderMap, HeaderValue, Method};
use marque_domain::{Body, Class, Endpoint, Operation};
use marque_wire::path::canonical_path;

use super::Http;
use crate::recognise::{Meaning, Recognise, Seen};

struct Request {
    method: Method,
    path: &'static str,
    accept: &'static str,
    host: &'static str,
    has_body: bool,
    opens_socket: bool,
}

const PLAIN: Request = Request {
    method: Method::POST,
    path: "/v1/items?dry=1",
    accept: "*/*",
    host: "api.test",
    has_body: false,
    opens_socket: false,
};

fn recognised(request: &Request) -> Option<Operation> {
    let mut headers = HeaderMap::new();
    headers.insert("accept", HeaderValue::from_static(request.accept));
    let recognised = Http.recognise(&Seen {
        method: &request.method,
        path: &canonical_path(request.path).unwrap(),
        headers: &headers,
        scheme: "https",
        endpoint: &Endpoint { host: request.host.to_owned(), port: 443 },
        has_body: request.has_body,
        opens_socket: request.opens_socket,
    });
    match recognised.unwrap()?.meaning {
        Meaning::Known(operation) => Some(*operation),
        Meaning::Unread(_) => None,
    }
}

// threat 84
#[test]
fn a_scoped_name_is_asked_for_in_both_readings() {
    let operation = recognised(&Request { path: "/@acme%2fapi/-/x", ..PLAIN }).unwrap();
    assert_eq!(
        (operation.class, operation.resource),
        (Class::Write, vec!["/@acme%2Fapi/-/x".into()])
    );
    let [other] = operation.also.as_slice() else { panic!("{:?}", operation.also) };
    assert_eq!((other.name.as_str(), other.class), ("POST", Class::Write));
    assert_eq!(other.resource, ["/@acme/api/-/x"]);
    assert!(recognised(&PLAIN).unwrap().also.is_empty());
}

#[test]
fn an_operation_is_the_method_and_the_path_without_its_query() {
    let operation = recognised(&PLAIN).unwrap();
    assert_eq!(operation.name, "POST");
    assert_eq!(operation.class, Class::Write);
    assert_eq!(operation.resource, ["/v1/items"]);
    assert_eq!(operation.parameters.get("query").map(String::as_str), Some("dry=1"));
    assert_eq!(operation.body, Body::Empty);
    assert_eq!(operation.to_string(), "POST https://api.test:443/v1/items");
}

// threat 127
#[test]
fn whatever_changes_the_effect_changes_the_operation() {
    let plain = recognised(&PLAIN);
    let changed = [
        Request { method: Method::PUT, ..PLAIN },
        Request { path: "/v1/items?dry=0", ..PLAIN },
        Request { path: "/v1/items", ..PLAIN },
        Request { path: "/v1/items?", ..PLAIN },
        Request { accept: "text/csv", ..PLAIN },
        Request { host: "api2.test", ..PLAIN },
        Request { has_body: true, ..PLAIN },
    ];
    for (place, request) in changed.iter().enumerate() {
        assert_ne!(recognised(request), plain, "change {place}");
    }
}

// threat 85
#[test]
fn a_method_without_a_meaning_is_no_operation() {
    for method in [Method::TRACE, Method::CONNECT, Method::from_bytes(b"get").unwrap()] {
        assert_eq!(recognised(&Request { method, ..PLAIN }), None);
    }
}

// threat 90
#[test]
fn the_opening_of_a_websocket_is_no_get() {
    let opening = Request { method: Method::GET, opens_socket: true, ..PLAIN };
    let operation = recognised(&opening).unwrap();
    assert_eq!((operation.name.as_str(), operation.class), ("websocket", Class::Unclassified));
    assert_eq!(operation.resource, ["/v1/items"]);
}
