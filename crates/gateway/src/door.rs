//! Doors: where agents' requests come in.
//!
//! Each door finds out who asks and where to, and hands the request to the pipeline: the proxy
//! door, with absolute-form requests and tunnels whose TLS ends here, those of captured runs, and
//! the reverse door, for whoever has a token.

pub(crate) mod captured;
mod h2;
mod http;
pub(crate) mod proxy;
pub(crate) mod reverse;
mod switch;
mod tunnel;

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::http::Response;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};
use marque_domain::Endpoint;
use marque_wire::host::Authority;
use tokio_util::task::TaskTracker;

use crate::body::Upload;
use crate::refuse::{Stop, Style};
use crate::relay::{Cut, Relay};
use crate::session::Session;

/// The body of an answer: ours, or the upstream's.
type Reply = Either<Own, Relay>;

/// The body of an answer of ours, and what the client still sends meanwhile.
struct Own {
    text: Full<Bytes>,
    rest: Option<(Box<Upload>, TaskTracker)>,
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some((rest, tasks)) = self.rest.take() {
            tasks.spawn(rest.drain_on());
        }
    }
}

impl Own {
    fn empty() -> Self {
        Self { text: Full::default(), rest: None }
    }

    /// The same without its text, for a client that asked for the head.
    fn untold(mut self) -> Self {
        self.text = Full::default();
        self
    }
}

/// The answer to the client, in the style it reads.
fn reply(
    session: &Session,
    result: Result<Response<Relay>, Stop>,
    style: Style,
) -> Result<Response<Reply>, Cut> {
    match result {
        Ok(response) => Ok(response.map(Either::Right)),
        Err(Stop::Told(notice, rest)) => {
            // Failures were counted with the outcome of their act.
            if notice.kind() != "failed" {
                session.shared.tally.ended(session.door, notice.kind());
            }
            let rest = rest.map(|rest| (rest, session.shared.tasks.clone()));
            Ok(notice.response(style).map(|text| Either::Left(Own { text, rest })))
        }
        Err(Stop::Answered(answer)) => {
            Ok((*answer).map(|text| Either::Left(Own { text, rest: None })))
        }
        Err(Stop::Cut) => Err(Cut),
    }
}

impl Body for Own {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.text).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.text.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.text.size_hint()
    }
}

fn endpoint(authority: &Authority) -> Endpoint {
    Endpoint { host: authority.host.to_string(), port: authority.port }
}

#[cfg(test)]
mod tests;
