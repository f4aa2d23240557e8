//! What an endpoint says: RFC 6749 §5, and nothing of the request.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use http::header::{self, HeaderName};
use http::{HeaderValue, StatusCode};
use marque_domain::{Approval, Id};
use marque_plane::oauth::{Deferred, INTERVAL_SECS, Refused};
use marque_wire::oauth::{BadForm, BadTokenRequest, ErrorCode, Issuer};
use serde::Serialize;

use crate::problem::Problem;

/// The nonce for the next proof (RFC 9449 §8).
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// A no, on its way out.
pub(super) struct No {
    status: StatusCode,
    error: &'static str,
    description: Cow<'static, str>,
    approval: Option<Id<Approval>>,
    deferred: Option<Box<Deferred>>,
    allow: Option<HeaderValue>,
    is_basic: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    error: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    error_description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deferral_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    marque_approval: Option<Id<Approval>>,
}

impl No {
    /// `description` is one of our own sentences.
    pub(super) fn of(error: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        let status = StatusCode::from_u16(error.endpoint_status());
        Self {
            status: status.unwrap_or(StatusCode::BAD_REQUEST),
            error: error.as_str(),
            description: description.into(),
            approval: None,
            deferred: None,
            allow: None,
            is_basic: false,
        }
    }

    /// Not as it must be.
    pub(super) fn malformed(description: &'static str) -> Self {
        Self::of(ErrorCode::InvalidRequest, description)
    }

    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Nothing is there.
    pub(super) fn nothing_there() -> Self {
        Self::malformed("there is no such endpoint").with_status(StatusCode::NOT_FOUND)
    }

    /// Another method is meant.
    pub(super) fn no_such_method(method: &http::Method) -> Self {
        let allow = HeaderValue::from_str(method.as_str()).ok();
        let no = Self::malformed("the endpoint has no such method");
        Self { status: StatusCode::METHOD_NOT_ALLOWED, allow, ..no }
    }

    /// Too often.
    pub(super) fn too_often() -> Self {
        Self::of(ErrorCode::SlowDown, "too many requests")
            .with_status(StatusCode::TOO_MANY_REQUESTS)
    }

    /// Not within the time there is.
    pub(super) fn too_slow() -> Self {
        Self::of(ErrorCode::TemporarilyUnavailable, "not now; try again")
    }

    /// A defect. RFC 6749 has this code for another endpoint and none for these.
    pub(super) fn defect() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            error: "server_error",
            ..Self::malformed("a defect stopped this request")
        }
    }

    /// The client comes again for the answer.
    pub(super) fn deferred(self, deferred: Option<Deferred>) -> Self {
        Self { deferred: deferred.map(Box::new), ..self }
    }

    /// The client tried HTTP Basic (RFC 6749 §5.2).
    pub(super) fn of_basic(self, is_basic: bool) -> Self {
        Self { is_basic, ..self }
    }

    /// The answer.
    pub(super) fn into_response(self, issuer: &Issuer) -> Response {
        // Told with the question; whoever asks how it stands knows it (DTR section 6.4).
        let held = self.approval.is_some();
        let deferred = self.deferred.as_ref();
        let code = deferred.and_then(|deferred| std::str::from_utf8(deferred.code.expose()).ok());
        let document = Document {
            error: self.error,
            error_description: &self.description,
            interval: held.then_some(INTERVAL_SECS),
            deferral_code: code,
            expires_in: deferred.map(|deferred| deferred.expires_in_secs),
            marque_approval: self.approval,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = json(self.status, body);
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED && self.is_basic {
            let challenge = format!("Basic realm=\"{issuer}\", charset=\"UTF-8\"");
            if let Ok(challenge) = HeaderValue::from_str(&challenge) {
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
        }
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, allow);
        }
        response
    }
}

impl From<BadForm> for No {
    fn from(bad: BadForm) -> Self {
        let no = Self::of(ErrorCode::InvalidRequest, bad.to_string());
        match bad {
            BadForm::TooLong => no.with_status(StatusCode::PAYLOAD_TOO_LARGE),
            _ => no,
        }
    }
}

impl From<BadTokenRequest> for No {
    fn from(bad: BadTokenRequest) -> Self {
        let error = match bad {
            BadTokenRequest::Form(bad) => return bad.into(),
            BadTokenRequest::GrantType => ErrorCode::UnsupportedGrantType,
            BadTokenRequest::ClientProof => ErrorCode::InvalidClient,
            BadTokenRequest::Resource => ErrorCode::InvalidTarget,
            BadTokenRequest::Scope(_) => ErrorCode::InvalidScope,
            BadTokenRequest::Details(_) => ErrorCode::InvalidAuthorizationDetails,
        };
        Self::of(error, bad.to_string())
    }
}

impl From<Refused> for No {
    fn from(refused: Refused) -> Self {
        let description = refused.body.description.unwrap_or_default();
        Self { approval: refused.approval, ..Self::of(refused.body.error, description) }
    }
}

/// The same for a run at its own socket.
impl From<No> for Problem {
    fn from(no: No) -> Self {
        Self::new(no.status, no.error, no.description)
    }
}

/// An answer that nobody is to keep (RFC 6749 §5.1).
pub(super) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    kept_by_nobody(status, "application/json", body)
}

/// The same of another kind.
pub(super) fn kept_by_nobody(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<Body>,
) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// Sends the nonce for the next proof along.
pub(super) fn with_nonce(mut response: Response, nonce: &str) -> Response {
    if let Ok(nonce) = HeaderValue::from_str(nonce) {
        response.headers_mut().insert(DPOP_NONCE, nonce);
    }
    response
}
