//! Status lists (draft-ietf-oauth-status-list section 8): one of them, and where they all are.

use axum::response::Response;
use http::header::ACCESS_CONTROL_ALLOW_ORIGIN;
use http::{HeaderMap, HeaderValue, StatusCode};
use marque_domain::{Id, TokenStatusList};
use marque_plane::Plane;

use super::answer::No;
use super::ask;
use super::published::kept_for;

/// What a list is called that is signed as a JWT. There is no other form of it.
const KIND: &str = "application/statuslist+jwt";
/// How long it may be kept where the lists are, in seconds: a new one may be there at any time.
const LISTS_SECS: u64 = 30;

/// The list of that name.
pub(super) async fn list(
    plane: &Plane,
    list: Id<TokenStatusList>,
    (query, headers): (Option<&str>, &HeaderMap),
) -> Result<Response, No> {
    // Section 8.4 of the draft: what was at another time is not known here.
    let mut parameters = query.unwrap_or_default().split('&');
    if parameters.any(|one| one.split('=').next() == Some("time")) {
        let no = No::malformed("only how tokens stand now is known here");
        return Err(no.with_status(StatusCode::NOT_IMPLEMENTED));
    }
    if !is_accepted(headers) {
        let no = No::malformed("a status list is `application/statuslist+jwt` here");
        return Err(no.with_status(StatusCode::NOT_ACCEPTABLE));
    }
    let published = plane.status_list(list).await?.ok_or_else(No::nothing_there)?;
    let body = published.token.as_ref().to_owned();
    Ok(for_scripts(kept_for(published.max_age_secs, headers, KIND, body)))
}

/// Where the lists are (section 9 of the draft).
pub(super) fn lists(plane: &Plane, headers: &HeaderMap) -> Response {
    let body = serde_json::json!({ "status_lists": plane.status_lists() }).to_string();
    for_scripts(kept_for(LISTS_SECS, headers, "application/json", body))
}

// Section 8.1 of the draft: verifiers in browsers may read them.
fn for_scripts(mut response: Response) -> Response {
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

fn is_accepted(headers: &HeaderMap) -> bool {
    let mut kinds = ask::accepted(headers).peekable();
    let fits = |kind: &str| {
        ["*/*", "application/*", KIND].iter().any(|known| kind.eq_ignore_ascii_case(known))
    };
    kinds.peek().is_none() || kinds.any(fits)
}
