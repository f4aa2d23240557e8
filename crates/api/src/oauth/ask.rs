//! From a request to what the plane is asked: the form, and what came beside it.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use marque_plane::oauth::EndpointAsk;
use marque_plane::{Presented, Secret};
use marque_wire::jose::{TokenClass, Unverified};
use marque_wire::oauth::{
    BadForm, BadProof, ClientProof, ErrorCode, FORM_MAX_BYTES, Form, single_proof,
};

use super::answer::No;
use crate::extract::Whole;

/// How long a body may take.
const BODY_DEADLINE: Duration = Duration::from_secs(5);
/// Longest user or password of HTTP Basic, in bytes.
const BASIC_MAX_BYTES: usize = 512;

/// The form of a request.
pub(super) async fn form(headers: &HeaderMap, body: Body) -> Result<Form, No> {
    let kinds: Vec<_> = headers.get_all(CONTENT_TYPE).iter().collect();
    let [kind] = kinds.as_slice() else { return Err(not_a_form()) };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    if !kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(not_a_form());
    }
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(No::malformed("send the body as it is, without `content-encoding`"));
    }
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > FORM_MAX_BYTES {
        return Err(BadForm::TooLong.into());
    }
    let read = tokio::time::timeout(BODY_DEADLINE, Whole::read(body, FORM_MAX_BYTES)).await;
    let slow = || {
        No::malformed("the body did not arrive in time").with_status(StatusCode::REQUEST_TIMEOUT)
    };
    let whole = match read.map_err(|_| slow())? {
        Ok(whole) => whole,
        Err(problem) if problem.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return Err(BadForm::TooLong.into());
        }
        Err(_) => return Err(No::malformed("the body broke off")),
    };
    Ok(Form::parse(whole.bytes())?)
}

fn not_a_form() -> No {
    No::malformed("send the parameters as `application/x-www-form-urlencoded`")
}

/// The media types that are accepted, without their parameters.
pub(super) fn accepted(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let kinds = values.flat_map(|value| value.split(','));
    kinds.map(|kind| kind.split(';').next().unwrap_or_default().trim())
}

/// What came beside the form of a request over the network.
pub(super) fn beside(headers: &HeaderMap, certificate: Option<&[u8]>) -> Result<EndpointAsk, No> {
    Ok(EndpointAsk {
        presented: Presented::Nothing,
        proof: proof(headers),
        certificate: certificate.map(<[u8]>::to_vec),
        basic: basic(headers)?,
    })
}

/// The one DPoP proof, if there is one (threat 61).
pub(super) fn proof(headers: &HeaderMap) -> Result<Option<Vec<u8>>, BadProof> {
    match single_proof(headers) {
        Ok(proof) => Ok(Some(proof.to_vec())),
        Err(BadProof::Missing) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Whether the client tried HTTP Basic.
pub(super) fn is_basic(headers: &HeaderMap) -> bool {
    let scheme = crate::extract::scheme(headers, &AUTHORIZATION);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic"))
}

/// User and password (RFC 6749 §2.3.1: both are form-encoded before they are put together).
fn basic(headers: &HeaderMap) -> Result<Option<(String, Secret)>, No> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err(No::malformed("`authorization` is given twice"));
    }
    let unproven = || No::of(ErrorCode::InvalidClient, "the client is not known or not proven");
    let (scheme, pair) =
        field.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(unproven)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(unproven());
    }
    let pair = Secret::from_vec(STANDARD.decode(pair.trim()).map_err(|_| unproven())?);
    let colon = pair.expose().iter().position(|byte| *byte == b':').ok_or_else(unproven)?;
    let (user, password) = pair.expose().split_at_checked(colon).ok_or_else(unproven)?;
    let user = half(user).ok_or_else(unproven)?;
    let password = half(password.get(1..).unwrap_or_default()).ok_or_else(unproven)?;
    let user = std::str::from_utf8(user.expose()).map_err(|_| unproven())?.to_owned();
    Ok(Some((user, password)))
}

// Read as the value of a form, by the one decoder there is.
fn half(encoded: &[u8]) -> Option<Secret> {
    if encoded.contains(&b'&') || encoded.len() > BASIC_MAX_BYTES {
        return None;
    }
    let whole = Secret::from_vec([b"v=", encoded].concat());
    Form::parse(whole.expose()).ok()?.take_secret("v", BASIC_MAX_BYTES).ok()?
}

/// Which client a request says that it is of, proven or not: rates are counted by it.
pub(super) fn claimed(
    ask: &EndpointAsk,
    client_id: Option<&str>,
    proof: &ClientProof,
) -> Option<String> {
    if let Some((user, _)) = &ask.basic {
        return Some(user.clone());
    }
    if let ClientProof::Assertion(assertion) = proof {
        let read = Unverified::parse(TokenClass::ClientAssertion, assertion.expose());
        return read.ok()?.claimed_issuer().ok();
    }
    client_id.map(str::to_owned)
}
