//! Status lists over HTTP: what they are called, how long they are kept, and what there is none of.

use std::time::Duration;

use marque_testkit::ISSUER;
use marque_wire::jose::{JwkSet, NumericDate, TokenClass, Unverified};
use marque_wire::oauth::{Resource, Status, StatusListClaims, StatusReference};

use super::served::{Answer, Edge, escaped};

const KIND: &str = "application/statuslist+jwt";

impl Edge {
    /// A token, and its place.
    async fn listed(&self) -> (String, StatusReference) {
        let token = self.token().await;
        let status = self.client.claims_of(&token).status.unwrap();
        (token, status)
    }

    /// What a list says of a place.
    fn read(&self, answer: &Answer, place: &StatusReference) -> Status {
        let keys = self.plane.plane().published_token_keys().to_string();
        let keys = JwkSet::parse(keys.as_bytes()).unwrap();
        let read = Unverified::parse(TokenClass::StatusList, answer.body.as_bytes()).unwrap();
        let key = keys.find(read.key_id(), read.algorithm()).unwrap();
        let now = NumericDate::of(self.plane.plane().now());
        let claims = StatusListClaims::read(read.verify(key).unwrap(), &place.uri, now).unwrap();
        claims.list.status(usize::try_from(place.idx).unwrap()).unwrap()
    }
}

fn path(uri: &Resource) -> &str {
    uri.as_str().strip_prefix(ISSUER).unwrap()
}

#[tokio::test]
async fn a_list_is_there_for_anybody_and_kept_for_as_long_as_it_says() {
    let edge = Edge::listing().await;
    let (token, place) = edge.listed().await;
    let metadata = edge.gets("/.well-known/oauth-authorization-server", "").await;
    let there = &metadata.json()["status_list_aggregation_endpoint"];
    assert_eq!(there, &format!("{ISSUER}/oauth/status"));
    let lists = edge.gets("/oauth/status", "").await;
    assert_eq!(lists.json(), serde_json::json!({ "status_lists": [place.uri.as_str()] }));
    assert_eq!(lists.field("content-type"), Some("application/json"));

    let list = edge.gets(path(&place.uri), "").await;
    assert_eq!((list.status, list.field("content-type")), (200, Some(KIND)));
    assert_eq!(list.field("cache-control"), Some("public, max-age=30"));
    assert_eq!(list.field("access-control-allow-origin"), Some("*"));
    assert_eq!(edge.read(&list, &place), Status::Valid);
    let known = format!("if-none-match: {}\r\n", list.field("etag").unwrap());
    let again = edge.gets(path(&place.uri), &known).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));

    let form = format!(
        "token={}&client_assertion_type={}&client_assertion={}",
        escaped(&token),
        escaped(super::served::ASSERTION_TYPE),
        escaped(&edge.client.assertion())
    );
    assert_eq!(edge.posts("/oauth/revoke", "", &form).await.status, 200);
    edge.plane.clock().advance(Duration::from_secs(1));
    let same = edge.gets(path(&place.uri), "").await;
    assert_eq!((same.body, same.head.contains("max-age=29")), (list.body, true));
    edge.plane.clock().advance(Duration::from_secs(1));
    let new = edge.gets(path(&place.uri), &known).await;
    assert_eq!((new.status, edge.read(&new, &place)), (200, Status::Invalid));
    edge.ends().await;
}

#[tokio::test]
async fn a_list_has_one_form_and_is_of_now() {
    let edge = Edge::listing().await;
    let (_, place) = edge.listed().await;
    let accepts =
        async |kinds: &str| edge.gets(path(&place.uri), &format!("accept: {kinds}\r\n")).await;
    for kinds in [
        KIND,
        "*/*",
        "application/*;q=0.5",
        "application/statuslist+cwt, Application/StatusList+JWT",
    ] {
        assert_eq!(accepts(kinds).await.field("content-type"), Some(KIND), "{kinds}");
    }
    for kinds in ["application/statuslist+cwt", "text/html"] {
        accepts(kinds).await.is_refused(406, "invalid_request");
    }
    for query in ["time=1686925000", "a=b&time=1", "time"] {
        let then = edge.gets(&format!("{}?{query}", path(&place.uri)), "").await;
        then.is_refused(501, "invalid_request");
    }
    assert_eq!(edge.gets(&format!("{}?timely=1", path(&place.uri)), "").await.status, 200);
    edge.ends().await;
}

#[tokio::test]
async fn what_is_no_list_is_not_there() {
    let edge = Edge::new().await;
    assert_eq!(edge.client.claims_of(&edge.token().await).status, None);
    let metadata = edge.gets("/.well-known/oauth-authorization-server", "").await;
    assert!(metadata.json().get("status_list_aggregation_endpoint").is_none());
    assert_eq!(edge.gets("/oauth/status", "").await.body, r#"{"status_lists":[]}"#);
    for name in ["stl_01M8QPX8KXX6AQYXQJ5YVQCAHB", "1", "", "stl_01M8QPX8KXX6AQYXQJ5YVQCAHB/"] {
        let none = edge.gets(&format!("/oauth/status/{name}"), "").await;
        none.is_refused(404, "invalid_request");
    }
    edge.ends().await;
}
