//! The answer on its way down, and the one place where an act's outcome is told.
//!
//! Every chunk looks at the run's cancel flag first (threat 178). An answer that is cut ends in an
//! error, so the client's connection breaks off and never looks complete.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use marque_domain::Outcome;
use marque_plane::{Allowance, Crossed, Lease, LiveRun};
use marque_wire::git::lfs::{ANSWER_MAX_BYTES, strip_answer};
use thiserror::Error;

use crate::body::{Progress, Unfit};
use crate::clean::{Cleaner, Coming};
use crate::dial::Upstream;
use crate::headers;
use crate::pace::Pace;
use crate::pool::Pool;
use crate::refuse::{Notice, Stop};
use crate::session::{InFlight, Session};
use crate::tally::ANSWERED;

/// The connection ends here, without an answer or in the middle of one.
#[derive(Debug, Error)]
#[error("the connection was cut")]
pub(crate) struct Cut;

/// One allowed act, from the permit to its outcome. Dropped, it was abandoned or cut.
pub(crate) struct Act {
    lease: Option<Lease>,
    progress: Arc<Progress>,
    received_bytes: u64,
    redacted: u64,
    in_flight: InFlight,
}

impl Act {
    pub(crate) fn new(session: &Arc<Session>, lease: Lease, progress: Arc<Progress>) -> Self {
        let in_flight = InFlight::new(session);
        Self { lease: Some(lease), progress, received_bytes: 0, redacted: 0, in_flight }
    }

    /// Resolves once the run is cut, or may have been without anybody here hearing of it, or a
    /// token is taken back that the act rests on. Does not borrow, so that it can be kept beside
    /// the act.
    pub(crate) fn cancelled(&self) -> impl Future<Output = ()> + Send + use<> {
        let live = self.lease.as_ref().map(|lease| Arc::clone(lease.live()));
        let session = self.in_flight.session();
        let (plane, taken_back) = (session.shared.plane.clone(), session.taken_back());
        async move {
            let Some(live) = live else { return std::future::pending().await };
            tokio::select! {
                () = live.cancelled() => {}
                () = plane.lost() => {}
                () = taken_back => {}
            }
        }
    }

    /// The run it belongs to, until it has ended.
    pub(crate) fn live(&self) -> Option<&Arc<LiveRun>> {
        self.lease.as_ref().map(Lease::live)
    }

    /// What bounds its bytes, where something does.
    pub(crate) fn allowance(&self) -> Option<Arc<Allowance>> {
        self.lease.as_ref().and_then(Lease::allowance)
    }

    fn pool(&self) -> &Pool {
        &self.in_flight.session().shared.pool
    }

    /// Whether the client stopped sending in the middle of its request.
    pub(crate) fn lost_client(&self) -> bool {
        self.progress.is_broken()
    }

    /// So many bytes more came back.
    pub(crate) fn received(&mut self, bytes: u64) {
        self.received_bytes = self.received_bytes.saturating_add(bytes);
    }

    /// How many credentials were found in the answer so far.
    pub(crate) fn found(&mut self, redacted: u64) {
        self.redacted = redacted;
    }

    /// Tells how it went; only the first word counts.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        let Some(mut lease) = self.lease.take() else { return };
        if let Some(look) = self.progress.pushed() {
            lease.saw_push(look);
        }
        let (sent_bytes, received_bytes) = (self.progress.sent_bytes(), self.received_bytes);
        let session = self.in_flight.session();
        session.shared.tally.ended(session.door, word(&outcome));
        session.shared.tally.crossed(sent_bytes, received_bytes);
        lease.finish(outcome, Crossed { sent_bytes, received_bytes, redacted: self.redacted });
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        let is_cut = self.lease.as_ref().is_some_and(Lease::is_cancelled);
        self.end(if is_cut { Outcome::Cut } else { Outcome::Abandoned });
    }
}

/// The body of an upstream's answer, watched and cleaned.
pub(crate) struct Relay {
    body: Source,
    cleaner: Cleaner,
    /// What waits until there are bytes left for it.
    unpaid: Option<Bytes>,
    /// The last frame, once it came.
    trailers: Option<HeaderMap>,
    status: StatusCode,
    pace: Pace,
    act: Act,
    /// The line it comes over, kept for another request once it has ended.
    line: Option<Upstream>,
    cut: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Where the bytes come from.
enum Source {
    Upstream(Incoming),
    /// All of them were read.
    Ended,
    /// They were read whole, and written anew.
    Rewritten(Full<Bytes>),
}

impl Relay {
    /// Passes on the body of an answer to `act`.
    pub(crate) fn new(
        body: Incoming,
        (coming, line): (Coming, Upstream),
        (act, cleaner): (Act, Cleaner),
    ) -> Self {
        let cut = Box::pin(act.cancelled());
        let status = coming.status;
        let mut relay = Self {
            body: Source::Upstream(body),
            cleaner,
            unpaid: None,
            trailers: None,
            status,
            pace: Pace::default(),
            act,
            line: Some(line),
            cut,
        };
        if !coming.has_body {
            // Nobody asks for what is not there.
            relay.body = Source::Ended;
            relay.cleaner.finish_empty();
            relay.end();
        }
        relay
    }

    /// Reads the answer to an LFS batch whole and writes it anew without the credentials it names:
    /// a run holds none, and the hosts it names may be anybody's (threat 119).
    pub(crate) async fn rewritten(mut self, headers: &mut HeaderMap) -> Result<Self, Stop> {
        let mut read = Vec::new();
        while let Some(frame) = poll_fn(|cx| self.poll_next(cx)).await {
            let frame = frame.map_err(|Cut| Stop::Cut)?;
            read.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            if read.len() > ANSWER_MAX_BYTES {
                return Err(self.unreadable("the answer to the batch is too long"));
            }
        }
        let written = match strip_answer(&read) {
            Ok(written) => written,
            Err(bad) => return Err(self.unreadable(&bad.to_string())),
        };
        self.end();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(written.len()));
        Ok(Self { body: Source::Rewritten(Full::new(Bytes::from(written))), ..self })
    }

    fn unreadable(mut self, why: &str) -> Stop {
        let Cut = self.fail("failed.answer");
        Notice::unclean(why).into()
    }

    // Told before the last chunk leaves, because nobody asks for more after it.
    fn end_if_complete(&mut self) {
        if let Source::Upstream(body) = &self.body
            && body.is_end_stream()
        {
            self.body = Source::Ended;
            self.cleaner.finish();
        }
    }

    fn end(&mut self) {
        if let (Some(line), Some(lease)) = (self.line.take(), &self.act.lease) {
            if self.act.progress.is_complete() {
                self.act.pool().keep(lease.live(), line);
            } else {
                // The answer came first: the line serves nothing else until the request is sent.
                self.act.progress.hold(line);
            }
        }
        self.act.end(Outcome::Answered { status: self.status.as_u16() });
    }

    fn fail(&mut self, code: &str) -> Cut {
        self.act.end(Outcome::Failed { code: code.to_owned() });
        Cut
    }

    /// The next clean frame, unless the run is cut: `None` where all has gone on.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if self.act.lease.is_some() && self.cut.as_mut().poll(cx).is_ready() {
            self.act.end(Outcome::Cut);
            return Poll::Ready(Some(Err(Cut)));
        }
        self.poll_clean(cx)
    }

    fn poll_clean(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        loop {
            ready!(self.pace.poll(cx));
            let piece = self.cleaner.next_piece();
            self.act.found(self.cleaner.found());
            self.pace.went(self.cleaner.take_searched());
            match piece {
                Ok(Some(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Ok(None) => {}
                Err(unclean) => return Poll::Ready(Some(Err(self.fail(unclean.code())))),
            }
            if let Some(data) = &self.unpaid {
                let size = data.len() as u64;
                if let Some(allowance) = self.act.allowance()
                    && ready!(allowance.poll_take(cx, size)).is_err()
                {
                    return Poll::Ready(Some(Err(self.fail("failed.bytes"))));
                }
                self.act.received_bytes += size;
                self.unpaid.take().into_iter().for_each(|data| self.cleaner.feed(data));
                self.end_if_complete();
                continue;
            }
            let Source::Upstream(body) = &mut self.body else {
                let trailers = self.trailers.take().filter(|trailers| !trailers.is_empty());
                return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
            };
            let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) else {
                let few = self.cleaner.let_pass().map(|few| Ok(Frame::data(few)));
                return few.map_or(Poll::Pending, |few| Poll::Ready(Some(few)));
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.unpaid = Some(data),
                // Nothing follows them.
                Some(Ok(Err(frame))) => {
                    let mut trailers = frame.into_trailers().unwrap_or_default();
                    headers::strip_trailers(&mut trailers);
                    let cleaned = self.cleaner.clean_trailers(&mut trailers);
                    self.act.found(self.cleaner.found());
                    if let Err(unclean) = cleaned {
                        return Poll::Ready(Some(Err(self.fail(unclean.code()))));
                    }
                    self.trailers = Some(trailers);
                    self.body = Source::Ended;
                    self.cleaner.finish();
                }
                Some(Err(_)) if self.act.lost_client() => {
                    self.act.end(Outcome::Abandoned);
                    return Poll::Ready(Some(Err(Cut)));
                }
                Some(Err(_)) => {
                    // The answer may have begun before the request turned out to be unfit.
                    let unfit = self.act.progress.unfit();
                    let code = unfit.as_ref().map_or("failed.upstream", Unfit::code);
                    return Poll::Ready(Some(Err(self.fail(code))));
                }
                None => {
                    self.body = Source::Ended;
                    self.cleaner.finish();
                }
            }
        }
    }

    /// Whether every byte that was announced has gone on: over HTTP/2 the end may be told later,
    /// and a client of HTTP/1.1 does not wait for it.
    fn is_as_long_as_told(&self) -> bool {
        let Source::Upstream(body) = &self.body else { return false };
        body.size_hint().exact() == Some(0) && self.unpaid.is_none() && self.cleaner.is_even()
    }

    fn is_over(&self) -> bool {
        matches!(self.body, Source::Ended) && self.cleaner.is_drained() && self.trailers.is_none()
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
        if let Source::Rewritten(whole) = &mut this.body {
            return Pin::new(whole).poll_frame(cx).map_err(|never| match never {});
        }
        let frame = ready!(this.poll_next(cx));
        let is_broken = matches!(frame, Some(Err(_)));
        if frame.is_none() || (!is_broken && (this.is_over() || this.is_as_long_as_told())) {
            this.end();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Source::Rewritten(whole) => whole.is_end_stream(),
            Source::Upstream(_) | Source::Ended => self.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Source::Rewritten(whole) => whole.size_hint(),
            Source::Upstream(body) if self.cleaner.keeps_length() => body.size_hint(),
            Source::Ended if self.is_over() => SizeHint::with_exact(0),
            Source::Upstream(_) | Source::Ended => SizeHint::default(),
        }
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Answered { .. } => ANSWERED,
        Outcome::Failed { .. } => "failed",
        Outcome::Abandoned => "abandoned",
        Outcome::Cut => "cut",
        Outcome::Unknown => "unknown",
    }
}
