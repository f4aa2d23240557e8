//! How a no is told so that the client's program prints it.
//!
//! Git shows a person nothing of an HTTP error but its number, so to git a refusal is told in its
//! own protocol. Owns the form; the words are the refusal's.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use marque_wire::git::answer::{PushRefusal, discovery_refused, fetch_refused, push_refused};
use marque_wire::git::push::ReportStyle;
use marque_wire::git::{RefName, Service};
use serde_json::json;

/// What the client's program reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Voice {
    /// Status, text or JSON, as HTTP has it.
    Http,
    /// An answer to `info/refs`.
    Discovery(Service),
    /// An answer to a fetch.
    Fetch,
    /// A report on a push: these refs were not updated.
    Push { style: ReportStyle, refs: Vec<RefName> },
    /// The JSON of the LFS API.
    Lfs,
}

/// The words of a no.
pub(crate) struct Words<'a> {
    pub(crate) code: &'a str,
    pub(crate) message: &'a str,
    pub(crate) remedy: Option<&'a str>,
    /// The approval or decision it can be looked up by.
    pub(crate) reference: Option<String>,
    /// Whether a human's yes would lift it.
    pub(crate) is_hold: bool,
}

/// A no in the client's protocol.
pub(crate) struct Spoken {
    /// `None` keeps the status of the notice.
    pub(crate) status: Option<StatusCode>,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
}

impl Voice {
    /// The yes to a bare `0000`: git asks whether it may speak before it sends a long push.
    pub(crate) fn probe_answer() -> Response<Full<Bytes>> {
        let mut answer = Response::new(Full::default());
        let kind = HeaderValue::from_static(Service::ReceivePack.result_type());
        answer.headers_mut().insert(CONTENT_TYPE, kind);
        answer
    }

    /// The no in this voice; `None` where HTTP says it all.
    pub(crate) fn say(&self, words: &Words<'_>) -> Option<Spoken> {
        let spoken = |content_type, body: Vec<u8>| {
            let status = Some(StatusCode::OK);
            Some(Spoken { status, content_type, body: Bytes::from(body) })
        };
        match self {
            Self::Http => None,
            Self::Discovery(service) => {
                let body = discovery_refused(*service, &words.on_one_line());
                spoken(service.advertisement_type(), body)
            }
            Self::Fetch => {
                spoken(Service::UploadPack.result_type(), fetch_refused(&words.on_one_line()))
            }
            Self::Push { style, refs } => {
                let (reason, lines) = (words.reason(), words.lines());
                let refusal = PushRefusal { reason: &reason, lines: &lines };
                let body = push_refused(*style, refs, refusal);
                spoken(Service::ReceivePack.result_type(), body)
            }
            // git-lfs prints `message` and reads the status.
            Self::Lfs => {
                let body = json!({ "message": words.on_one_line() }).to_string();
                let content_type = "application/vnd.git-lfs+json";
                Some(Spoken { status: None, content_type, body: Bytes::from(body) })
            }
        }
    }
}

impl Words<'_> {
    fn lines(&self) -> Vec<String> {
        let first = format!("marque: {}: {}", self.code, self.message);
        let hint = self.remedy.map(|remedy| format!("hint: {remedy}"));
        let reference = self.reference.as_ref().map(|reference| format!("ref: {reference}"));
        [Some(first), hint, reference].into_iter().flatten().collect()
    }

    fn on_one_line(&self) -> String {
        self.lines().join("; ")
    }

    /// What stands in brackets behind a rejected ref: why, and the command that lifts it.
    fn reason(&self) -> String {
        match &self.reference {
            Some(approval) if self.is_hold => format!("marque approval give {approval}"),
            _ => self.code.to_owned(),
        }
    }
}
