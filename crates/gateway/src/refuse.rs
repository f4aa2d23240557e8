//! How a no is told: what, why, what next, in text for people and in JSON for programs.
//!
//! Owns the one mapping from codes to statuses. Adds nothing to what the refusal says.

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use http::header::{PROXY_AUTHENTICATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use hyper::ext::ReasonPhrase;
use marque_domain::{Approval, Code, Decision, Id, Refusal, Stage};
use marque_wire::http1::Malformed;
use marque_wire::websocket::BadOpening;
use serde_json::{Map, Value, json};

use crate::body::Upload;
use crate::failure::Failure;
use crate::voice::{Spoken, Voice, Words};

/// Set on every answer that is ours and not the upstream's; holds the code.
pub(crate) const MARK: HeaderName = HeaderName::from_static("marque-refusal");

/// Why a request ends without the upstream's answer.
pub(crate) enum Stop {
    /// The client is told, and what it still sends is read on.
    Told(Box<Notice>, Option<Box<Upload>>),
    /// Nothing had to be asked: this is the answer.
    Answered(Box<Response<Full<Bytes>>>),
    /// The connection is cut without a word.
    Cut,
}

/// An answer of our own.
#[derive(Debug)]
pub(crate) struct Notice {
    status: StatusCode,
    code: String,
    message: Box<str>,
    remedy: Option<Box<str>>,
    approval: Option<Id<Approval>>,
    decision: Option<Id<Decision>>,
    retry_after_secs: Option<u16>,
    /// What the road said, if it was asked.
    refusal: Option<Code>,
    voice: Box<Voice>,
}

/// Which form of a notice the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Text,
    Json,
}

/// Where the client stands, which decides how it can be asked for its credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Talking to the proxy.
    Proxy,
    /// Talking to the upstream, as it believes.
    Tunnel,
    /// The same, in a captured run, which knows of no proxy.
    Captured,
    /// Talking to the gateway itself, with a token.
    Reverse,
}

impl Style {
    /// JSON for those who say they read it, text for curl and everybody else.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let reads_json =
            accepts.into_iter().any(|value| value.to_ascii_lowercase().contains("json"));
        if reads_json { Self::Json } else { Self::Text }
    }
}

impl Notice {
    /// What the road said.
    pub(crate) fn refused(refusal: Refusal, place: Place) -> Self {
        let code = refusal.code;
        Self {
            status: status(code, place),
            code: code.text(),
            message: refusal.message.into(),
            remedy: refusal.remedy.map(Into::into),
            approval: refusal.approval,
            decision: refusal.decision,
            // A spent budget does not come back; a rate does, and so does the log.
            retry_after_secs: (code == Code::RateSpent || code.stage() == Stage::Record)
                .then_some(1),
            refusal: Some(code),
            voice: Box::new(Voice::Http),
        }
    }

    /// What became of an allowed act.
    pub(crate) fn failed(failure: &Failure) -> Self {
        Self::new(failure.status(), failure.code(), failure.to_string(), failure.remedy())
    }

    /// A request that is not one, and never reaches the road.
    pub(crate) fn malformed(what: &str, message: impl Into<String>, remedy: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, &format!("malformed.{what}"), message, remedy)
    }

    /// A head whose framing is in doubt (threats 72 to 75).
    pub(crate) fn doubtful(malformed: &Malformed) -> Self {
        Self::malformed("head", malformed.to_string(), "send one plain HTTP/1.1 request")
    }

    /// A request that names another host than its connection leads to (threats 75 and 78).
    pub(crate) fn misdirected(message: impl Into<String>, place: Place) -> Self {
        let remedy = match place {
            Place::Captured => "connect to that host itself, so that it is decided on its own",
            Place::Proxy | Place::Tunnel => {
                "open a tunnel to that host, so that it is decided on its own"
            }
            Place::Reverse => "send the request to the address that tokens are for, as it stands",
        };
        Self::new(StatusCode::MISDIRECTED_REQUEST, "malformed.host", message, remedy)
    }

    /// An address that nothing is at, whoever asks.
    pub(crate) fn nowhere() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "malformed.target",
            "nothing is served at this address",
            "ask for `/c/CONNECTION/…`, where CONNECTION is the name of a connection",
        )
    }

    /// Another protocol was asked for, and not one that is read here (threat 90).
    pub(crate) fn upgrade() -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            "malformed.upgrade",
            "no other protocol is spoken here, since nothing would read what passes in it",
            "send plain HTTP/1.1 requests without `upgrade`, or open a WebSocket in HTTP/1.1",
        )
    }

    /// A request for a WebSocket that is none.
    pub(crate) fn bad_opening(bad: BadOpening) -> Self {
        match bad {
            BadOpening::OtherProtocol => Self::upgrade(),
            _ => Self::malformed("upgrade", bad.to_string(), "open it as RFC 6455 §4.1 says"),
        }
    }

    /// An answer that cannot be made harmless.
    pub(crate) fn unclean(why: &str) -> Self {
        Self::new(
            StatusCode::BAD_GATEWAY,
            "failed.answer",
            format!("the upstream's answer was not passed on: {why}"),
            "the request may have had its effect; look before you repeat it",
        )
    }

    /// Bytes that no recogniser reads are not carried.
    pub(crate) fn opaque() -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            "failed.opaque",
            "what nobody reads is carried for captured runs only, in TLS of their own",
            "a human registers a connection for that host that reads it",
        )
    }

    /// There is no place left for the client's connection.
    pub(crate) fn crowded(message: &str, remedy: &str) -> Self {
        let mut notice =
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "failed.crowded", message, remedy);
        notice.retry_after_secs = Some(1);
        notice
    }

    fn new(
        status: StatusCode,
        code: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into().into(),
            remedy: Some(remedy.into().into()),
            approval: None,
            decision: None,
            retry_after_secs: None,
            refusal: None,
            voice: Box::new(Voice::Http),
        }
    }

    /// The same, as the client's program reads it.
    pub(crate) fn in_voice(self, voice: Voice) -> Self {
        Self { voice: Box::new(voice), ..self }
    }

    /// The code of the road's no; `None` where it was not asked.
    pub(crate) fn refusal(&self) -> Option<Code> {
        self.refusal
    }

    /// The first word of the code: `refused`, `failed` or `malformed`.
    pub(crate) fn kind(&self) -> &'static str {
        match self.code.split('.').next() {
            Some("refused") => "refused",
            Some("failed") => "failed",
            _ => "malformed",
        }
    }

    /// The answer in the style the client reads.
    pub(crate) fn response(&self, style: Style) -> Response<Full<Bytes>> {
        let (status, kind, body) = match (self.spoken(), style) {
            (Some(spoken), _) => {
                (spoken.status.unwrap_or(self.status), spoken.content_type, spoken.body)
            }
            (None, Style::Text) => {
                (self.status, "text/plain; charset=utf-8", Bytes::from(self.text()))
            }
            (None, Style::Json) => {
                let problem = self.problem().to_string();
                (self.status, "application/problem+json", Bytes::from(problem))
            }
        };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        if let Ok(phrase) = ReasonPhrase::try_from(self.phrase(status)) {
            response.extensions_mut().insert(phrase);
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(code) = HeaderValue::from_str(&self.code) {
            headers.insert(MARK, code);
        }
        if self.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            let challenge = HeaderValue::from_static("Basic realm=\"marque\"");
            headers.insert(PROXY_AUTHENTICATE, challenge);
        }
        if let Some(secs) = self.retry_after_secs {
            headers.insert(RETRY_AFTER, HeaderValue::from(secs));
        }
        response
    }

    // A client that must prove itself first is asked by HTTP, which every program reads.
    fn spoken(&self) -> Option<Spoken> {
        let must_prove = [StatusCode::PROXY_AUTHENTICATION_REQUIRED, StatusCode::UNAUTHORIZED];
        if must_prove.contains(&self.status) {
            return None;
        }
        self.voice.say(&Words {
            code: &self.code,
            message: &self.message,
            remedy: self.remedy.as_deref(),
            reference: self.reference(),
            is_hold: self.refusal.is_some_and(Code::is_hold) && self.approval.is_some(),
        })
    }

    /// Its code and what explains it, for a client that reads one line.
    pub(crate) fn brief(&self) -> String {
        match self.reference() {
            Some(reference) => format!("{}, {reference}", self.code),
            None => self.code.clone(),
        }
    }

    // Many a tool prints nothing else of an answer it did not want (wget, pip).
    fn phrase(&self, status: StatusCode) -> String {
        let standard = status.canonical_reason().unwrap_or("Refused");
        if status == self.status { format!("{standard} ({})", self.code) } else { standard.into() }
    }

    fn reference(&self) -> Option<String> {
        let approval = self.approval.map(|approval| approval.to_string());
        approval.or_else(|| self.decision.map(|decision| decision.to_string()))
    }

    /// The answer as bytes, for a connection no HTTP library reads any more. Ends the connection.
    pub(crate) fn raw(&self) -> Vec<u8> {
        let mut response = self.response(Style::Text);
        let body = self.text();
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        let (status, phrase) = (self.status.as_u16(), self.phrase(self.status));
        let mut bytes = format!("HTTP/1.1 {status} {phrase}\r\n").into_bytes();
        for (name, value) in &*headers {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body.as_bytes());
        bytes
    }

    fn text(&self) -> String {
        let hint = self.remedy.iter().map(|remedy| format!("hint: {remedy}\n"));
        let reference = self.reference().map(|reference| format!("ref: {reference}\n"));
        let what_and_why = format!("marque: {}\n{}\n", self.code, self.message);
        std::iter::once(what_and_why).chain(hint).chain(reference).collect()
    }

    /// RFC 9457; the title is the status's own phrase, since `code` says more.
    fn problem(&self) -> Value {
        let mut problem = Map::new();
        let title = self.status.canonical_reason().unwrap_or("Refused");
        problem.insert("type".into(), json!("about:blank"));
        problem.insert("title".into(), json!(title));
        problem.insert("status".into(), json!(self.status.as_u16()));
        problem.insert("detail".into(), json!(self.message));
        problem.insert("code".into(), json!(self.code));
        if let Some(remedy) = &self.remedy {
            problem.insert("remedy".into(), json!(remedy));
        }
        if let Some(approval) = self.approval {
            problem.insert("approval".into(), json!(approval.to_string()));
            problem.insert("command".into(), json!(format!("marque approval give {approval}")));
        }
        if let Some(decision) = self.decision {
            problem.insert("decision".into(), json!(decision.to_string()));
        }
        Value::Object(problem)
    }
}

impl Stop {
    /// The client is told while it still sends: some clients of HTTP/2 lose an answer that resets
    /// the stream they send on.
    pub(crate) fn beside(notice: Notice, body: Upload) -> Self {
        Self::Told(Box::new(notice), Some(Box::new(body)))
    }
}

impl From<Notice> for Stop {
    fn from(notice: Notice) -> Self {
        Self::Told(Box::new(notice), None)
    }
}

fn status(code: Code, place: Place) -> StatusCode {
    match (code.stage(), place) {
        (Stage::Caller, Place::Reverse) => StatusCode::UNAUTHORIZED,
        // Another token would be of another run.
        (Stage::Run, Place::Reverse) if is_over(code) => StatusCode::UNAUTHORIZED,
        // A proof was given, and no other one would do: 407 would ask for it.
        _ if code == Code::CallerDoor => StatusCode::FORBIDDEN,
        // Inside a tunnel the client has no proxy to authenticate to.
        (Stage::Caller, Place::Proxy) => StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        (Stage::Limits, _) => StatusCode::TOO_MANY_REQUESTS,
        (Stage::Record, _) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::FORBIDDEN,
    }
}

/// Whether the run is over, and so is every token of it.
pub(crate) fn is_over(code: Code) -> bool {
    matches!(code, Code::RunClosed | Code::RunExpired | Code::RunKilled)
}

#[cfg(test)]
mod tests;
