//! The answer on its way down, and the one place where an act's outcome is told.
//!
//! Every chunk looks at the run's cancel flag first (threat 178). An answer that is cut ends in an
//! error, so the client's connection breaks off and never looks complete.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use marque_domain::Outcome;
use marque_plane::Lease;
use thiserror::Error;

use crate::body::Progress;
use crate::dial::Upstream;
use crate::headers;
use crate::pool::Pool;
use crate::session::{InFlight, Session};
use crate::tally;

/// The connection ends here, without an answer or in the middle of one.
#[derive(Debug, Error)]
#[error("the connection was cut")]
pub(crate) struct Cut;

/// One allowed act, from the permit to its outcome. Dropped, it was abandoned or cut.
pub(crate) struct Act {
    lease: Option<Lease>,
    progress: Arc<Progress>,
    received_bytes: u64,
    in_flight: InFlight,
}

impl Act {
    pub(crate) fn new(session: &Arc<Session>, lease: Lease, progress: Arc<Progress>) -> Self {
        let in_flight = InFlight::new(session);
        Self { lease: Some(lease), progress, received_bytes: 0, in_flight }
    }

    /// Resolves once the run is cut. Does not borrow, so that it can be kept beside the act.
    pub(crate) fn cancelled(&self) -> impl Future<Output = ()> + Send + use<> {
        let live = self.lease.as_ref().map(|lease| Arc::clone(lease.live()));
        async move {
            match live {
                Some(live) => live.cancelled().await,
                None => std::future::pending().await,
            }
        }
    }

    fn pool(&self) -> &Pool {
        &self.in_flight.session().shared.pool
    }

    /// Whether the client stopped sending in the middle of its request.
    pub(crate) fn lost_client(&self) -> bool {
        self.progress.is_broken()
    }

    /// Tells how it went; only the first word counts.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        let Some(lease) = self.lease.take() else { return };
        let sent_bytes = self.progress.sent_bytes();
        tally::ended(word(&outcome));
        tally::crossed(sent_bytes, self.received_bytes);
        lease.finish(outcome, sent_bytes, self.received_bytes);
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        let is_cut = self.lease.as_ref().is_some_and(Lease::is_cancelled);
        self.end(if is_cut { Outcome::Cut } else { Outcome::Abandoned });
    }
}

/// The body of an upstream's answer, watched.
pub(crate) struct Relay {
    body: Incoming,
    status: StatusCode,
    act: Act,
    /// The line it comes over, kept for another request once it has ended.
    line: Option<Upstream>,
    cut: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Relay {
    /// Passes on the body of an answer with that status to `act`.
    pub(crate) fn new(body: Incoming, (status, line): (StatusCode, Upstream), act: Act) -> Self {
        let cut = Box::pin(act.cancelled());
        let mut relay = Self { body, status, act, line: Some(line), cut };
        relay.end_if_complete();
        relay
    }

    // Told before the last chunk leaves, because nobody asks for more after it.
    fn end_if_complete(&mut self) {
        if self.body.is_end_stream() {
            self.end();
        }
    }

    fn end(&mut self) {
        if let (Some(line), Some(lease)) = (self.line.take(), &self.act.lease) {
            self.act.pool().keep(lease.live(), line);
        }
        self.act.end(Outcome::Answered { status: self.status.as_u16() });
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = &mut *self;
        if this.act.lease.is_some() && this.cut.as_mut().poll(cx).is_ready() {
            this.act.end(Outcome::Cut);
            return Poll::Ready(Some(Err(Cut)));
        }
        let frame = std::task::ready!(Pin::new(&mut this.body).poll_frame(cx));
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(_)) => {
                this.act.end(Outcome::Failed { code: "failed.upstream".to_owned() });
                return Poll::Ready(Some(Err(Cut)));
            }
            None => {
                this.end();
                return Poll::Ready(None);
            }
        };
        let frame = match frame.into_data() {
            Ok(data) => {
                this.act.received_bytes += data.len() as u64;
                Frame::data(data)
            }
            // Nothing follows them.
            Err(frame) => {
                let mut trailers = frame.into_trailers().unwrap_or_default();
                headers::strip_trailers(&mut trailers);
                this.end();
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
        };
        this.end_if_complete();
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Answered { .. } => "answered",
        Outcome::Failed { .. } => "failed",
        Outcome::Abandoned => "abandoned",
        Outcome::Cut => "cut",
        Outcome::Unknown => "unknown",
    }
}
