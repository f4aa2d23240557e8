//! Problems: how a no leaves this crate (RFC 9457).
//!
//! The plane's kinds of error become statuses here and nowhere else; `docs` lists the same table.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use marque_domain::{Approval, Code, Id, Refusal};
use marque_plane::{AdminError, AdminKind};

use crate::exchange::ProblemDocument;

/// A no, on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    status: StatusCode,
    code: String,
    message: String,
    remedy: Option<String>,
    approval: Option<Id<Approval>>,
    reference: Option<String>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            status,
            code: code.to_owned(),
            message: message.into(),
            remedy: None,
            approval: None,
            reference: None,
        }))
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    pub(crate) fn reference(mut self, reference: impl Into<String>) -> Self {
        self.0.reference = Some(reference.into());
        self
    }

    /// The request cannot be read.
    pub(crate) fn unreadable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// It is not in a state that allows the move.
    pub(crate) fn conflict(error: &impl std::fmt::Display) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", error.to_string())
    }

    /// A rehearsal is asked for of what has none.
    pub(crate) fn no_rehearsal(what: &str) -> Self {
        let message = format!("{what} has no rehearsal, and nothing was done");
        Self::new(StatusCode::BAD_REQUEST, "no_rehearsal", message)
            .remedy("leave out `--dry-run` to do it")
    }

    /// A human's factor is wanted and none came.
    pub(crate) fn no_factor() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "locked", "this needs a human's passphrase")
            .remedy("run `marque unlock` in this terminal, or give `--passphrase-file FILE`")
    }

    /// threats 126, 165, 166: the caller is inside a run and asked for something outside it.
    pub(crate) fn inside_a_run() -> Self {
        let message = "this process belongs to a run, and a run reaches nothing but itself";
        Self::new(StatusCode::FORBIDDEN, "refused.caller.run", message)
            .remedy("ask a human to do it in a terminal of their own, outside `marque run`")
    }

    /// threats 126, 166: a door proves its run and nobody else.
    pub(crate) fn presented_at_a_door() -> Self {
        let message = "through this socket a run speaks for itself, whatever else is presented";
        Self::new(StatusCode::FORBIDDEN, "refused.caller.run", message)
            .remedy("leave out `authorization`")
    }

    /// A run cannot hold or end itself.
    pub(crate) fn for_launchers() -> Self {
        let message =
            "only the launcher of a run can hold it or end it, and not through this socket";
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
            .remedy("a run ends when its command does; a human can end it with `marque kill`")
    }

    /// A descriptor that was handed over is not what it is said to be.
    pub(crate) fn bad_door(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message)
            .remedy("nothing was taken; make the listeners inside the run and send them again")
    }

    /// Doors are in order, and nobody serves them.
    pub(crate) fn unserved(why: &str) -> Self {
        let message = format!("the doors are not served: {why}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
            .remedy("open the run again; the server's traces say more")
    }

    /// The message of a hand-over broke off.
    pub(crate) fn broken_message() -> Self {
        Self::unreadable("the message broke off")
    }

    /// The message of a hand-over did not come.
    pub(crate) fn slow_message() -> Self {
        let message = "the message did not arrive within 5 s, and nothing was done";
        Self::new(StatusCode::REQUEST_TIMEOUT, "slow_body", message)
    }

    /// Nobody can tell whether the caller is inside a run.
    pub(crate) fn unknown_process() -> Self {
        let message = "the calling process cannot be traced back to its origin, so it may belong \
                       to a run";
        Self::new(StatusCode::FORBIDDEN, "refused.caller.process", message)
            .remedy("call from a process that keeps running, in the server's own pid namespace")
    }

    /// Too much at once.
    pub(crate) fn busy() -> Self {
        let message = "too many requests are being answered";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).remedy("try again in a moment")
    }

    /// The body did not come.
    pub(crate) fn slow_body() -> Self {
        let message = "the body did not arrive within 5 s, and nothing was done";
        Self::new(StatusCode::REQUEST_TIMEOUT, "slow_body", message)
    }

    /// The server is on its way up.
    pub(crate) fn starting() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "starting", "the server is starting")
            .remedy("try again in a moment")
    }

    /// Every call would be refused so. `code` is `starting` where that is soon over.
    pub(crate) fn unready(code: &str, refusal: Refusal) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, refusal.message);
        problem.0.remedy = refusal.remedy;
        problem
    }

    /// The server is on its way out.
    pub(crate) fn stopping() -> Self {
        let message = "the server is stopping";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", message)
            .remedy("start it again with `marque up`")
    }

    /// Took too long.
    pub(crate) fn too_slow() -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "too_slow", "the request took too long")
            .remedy("look whether it took effect before you try again")
    }

    /// A defect.
    pub(crate) fn defect(reference: &str) -> Self {
        let message = "a defect in marque stopped this request";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
            .remedy("the server's traces say where; please report it")
            .reference(reference)
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        let (status, code) = match error.kind {
            AdminKind::NotClaimed => (StatusCode::CONFLICT, "not_claimed"),
            AdminKind::AlreadyClaimed => (StatusCode::CONFLICT, "already_claimed"),
            AdminKind::Locked => (StatusCode::UNAUTHORIZED, "locked"),
            AdminKind::BadFactor => (StatusCode::UNAUTHORIZED, "bad_factor"),
            AdminKind::Delayed => (StatusCode::TOO_MANY_REQUESTS, "delayed"),
            AdminKind::InsideRun => (StatusCode::FORBIDDEN, "refused.caller.run"),
            AdminKind::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            AdminKind::Conflict => (StatusCode::CONFLICT, "conflict"),
            AdminKind::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            AdminKind::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            AdminKind::TierBelowFloor => (StatusCode::FORBIDDEN, "refused.run.tier"),
            AdminKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        let mut problem = Self::new(status, code, error.message);
        problem.0.remedy = error.remedy;
        problem
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.code {
            Code::CallerMissing | Code::CallerUnknown => StatusCode::UNAUTHORIZED,
            Code::LogUnavailable | Code::FactsChanged | Code::Overloaded => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            _ => StatusCode::FORBIDDEN,
        };
        let mut problem = Self::new(status, &refusal.code.text(), refusal.message);
        (problem.0.remedy, problem.0.approval) = (refusal.remedy, refusal.approval);
        problem
    }
}

impl From<Problem> for ProblemDocument {
    fn from(Problem(problem): Problem) -> Self {
        Self {
            kind: format!("urn:marque:problem:{}", problem.code),
            title: problem.status.canonical_reason().unwrap_or("Problem").to_owned(),
            status: problem.status.as_u16(),
            detail: problem.message,
            code: problem.code,
            remedy: problem.remedy,
            approval: problem.approval,
            reference: problem.reference,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.0.status;
        let mut response = axum::Json(ProblemDocument::from(self)).into_response();
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §11.6.1: a 401 names the scheme.
            let scheme = HeaderValue::from_static("Basic realm=\"marque\", charset=\"UTF-8\"");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
