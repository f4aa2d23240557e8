//! How a socket ends: what the log says of it, and what either side is told (RFC 6455 §7.4.1).
//!
//! Owns the mapping from causes to close codes. The client learns why in few words; the upstream
//! learns that it is over, and nothing of ours or of the client's choosing but its code.

use std::io;
use std::time::Duration;

use marque_domain::{Outcome, Refusal};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::clean::Unclean;

/// How long either side may take to say goodbye.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);
/// The outcome of a socket that was opened, and of each message that went over it.
pub(super) const OPENED: Outcome = Outcome::Answered { status: 101 };
/// RFC 6455 §5.5: a control frame has 125 bytes, of which the code takes two.
const REASON_MAX_BYTES: usize = 123;

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Upstream,
}

/// The end of a socket.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    /// What the client is told; nothing where it said goodbye itself, or is gone.
    pub(super) to_client: Option<Message>,
    /// The same for the upstream.
    pub(super) to_upstream: Option<Message>,
}

impl Ending {
    /// The gateway stops.
    pub(super) fn away() -> Self {
        let client = told(CloseCode::Away, "the gateway stops");
        Self::of(Outcome::Abandoned, Some(client), Some(told(CloseCode::Away, "")))
    }

    /// The client said goodbye; of that only the code goes on.
    pub(super) fn closed_by_client(frame: Option<&CloseFrame>) -> Self {
        let code = frame.map(|frame| CloseFrame { code: frame.code, reason: Utf8Bytes::default() });
        Self::of(OPENED, None, Some(Message::Close(code)))
    }

    /// The upstream said goodbye.
    pub(super) fn closed_by_upstream(frame: Option<CloseFrame>) -> Self {
        Self::of(OPENED, Some(Message::Close(frame)), None)
    }

    /// One side is gone without a goodbye.
    pub(super) fn lost(side: Side) -> Self {
        match side {
            Side::Client => Self::of(Outcome::Abandoned, None, Some(told(CloseCode::Away, ""))),
            Side::Upstream => {
                let code = "failed.upstream";
                Self::of(failed(code), Some(told(CloseCode::Error, code)), None)
            }
        }
    }

    /// What one side sent cannot be read, or nothing came for too long.
    pub(super) fn broken(side: Side, error: &Error) -> Self {
        let code = match error {
            Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => return Self::silent(),
            Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed => {
                return Self::lost(side);
            }
            Error::Protocol(error) if is_loss(error) => return Self::lost(side),
            Error::Capacity(_) => CloseCode::Size,
            Error::Utf8(_) => CloseCode::Invalid,
            _ => CloseCode::Protocol,
        };
        match side {
            Side::Client => {
                let why = "failed.request";
                Self::of(failed(why), Some(told(code, why)), Some(told(CloseCode::Away, "")))
            }
            Side::Upstream => {
                let why = "failed.upstream";
                Self::of(failed(why), Some(told(CloseCode::Error, why)), Some(told(code, "")))
            }
        }
    }

    /// A message of the client was refused, or held: a human's answer lets it through another time.
    pub(super) fn refused(refusal: &Refusal) -> Box<Self> {
        Box::new(Self::policy(OPENED, &reason(refusal)))
    }

    /// There are no bytes left for a message of the upstream.
    pub(super) fn spent(refusal: &Refusal) -> Self {
        Self::policy(failed("failed.bytes"), &reason(refusal))
    }

    /// A message of the upstream holds what must not come back.
    pub(super) fn unclean(unclean: Unclean) -> Self {
        Self::policy(failed(unclean.code()), unclean.code())
    }

    /// The connection or its credential is another one by now.
    pub(super) fn stale() -> Self {
        let client =
            told(CloseCode::Restart, "failed.stale: the connection changed; open it again");
        Self::of(OPENED, Some(client), Some(told(CloseCode::Away, "")))
    }

    fn silent() -> Self {
        let client = told(CloseCode::Away, "nothing came for too long");
        Self::of(OPENED, Some(client), Some(told(CloseCode::Away, "")))
    }

    fn policy(outcome: Outcome, why: &str) -> Self {
        Self::of(outcome, Some(told(CloseCode::Policy, why)), Some(told(CloseCode::Away, "")))
    }

    fn of(outcome: Outcome, to_client: Option<Message>, to_upstream: Option<Message>) -> Self {
        Self { outcome, to_client, to_upstream }
    }
}

fn failed(code: &str) -> Outcome {
    Outcome::Failed { code: code.to_owned() }
}

fn told(code: CloseCode, why: &str) -> Message {
    let end = (0..=REASON_MAX_BYTES).rev().find(|&end| why.is_char_boundary(end)).unwrap_or(0);
    let reason = why.get(..end).unwrap_or(why);
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}

// The code first, for programs; what to look for or to do comes after it.
fn reason(refusal: &Refusal) -> String {
    let code = refusal.code.text();
    match (refusal.approval, refusal.decision) {
        (Some(approval), _) => format!("{code}: marque approval give {approval}"),
        (None, Some(decision)) => format!("{code}: {decision}"),
        (None, None) => code,
    }
}

fn is_loss(error: &tokio_tungstenite::tungstenite::error::ProtocolError) -> bool {
    use tokio_tungstenite::tungstenite::error::ProtocolError;
    matches!(error, ProtocolError::ResetWithoutClosingHandshake)
}

#[cfg(test)]
mod tests {
    use marque_domain::{Code, Refusal};
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

    use super::{REASON_MAX_BYTES, reason, told};

    #[test]
    fn a_reason_fits_into_a_control_frame_whatever_is_told() {
        for why in ["", "short", &"ü".repeat(200), &"x".repeat(200)] {
            let Message::Close(Some(frame)) = told(CloseCode::Policy, why) else { unreachable!() };
            assert!(frame.reason.len() <= REASON_MAX_BYTES, "{why}");
            assert!(why.starts_with(frame.reason.as_str()), "{why}");
        }
    }

    #[test]
    fn every_code_is_told_whole_with_what_it_refers_to() {
        let id = "apr_00000000000000000000000000";
        for code in Code::ALL {
            let refusal = Refusal::new(code, "no", "none");
            let longest = format!("{}: marque approval give {id}", reason(&refusal));
            assert!(longest.len() <= REASON_MAX_BYTES, "{longest}");
        }
    }
}
