//! Request bodies on their way up: streamed, or read whole where a human must see them.
//!
//! Owns how much of one body is held in memory, and the count of what was sent. Trailers of
//! requests are dropped: no decision covers them (threat 74).

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use marque_crypto::hash::Hasher;
use marque_domain::git::PushLook;
use marque_domain::{Body, Operation, Refusal};
use marque_plane::{Allowance, PushLooker, Spent};
use marque_wire::git::fetch::{BadFetch, UploadPackGuard};
use marque_wire::git::pack::{PushedObjects, Unlooked};
use thiserror::Error;
use tokio::time::timeout;

use crate::dial::Upstream;
use crate::places::{BodyPlace, RunPlace};
use crate::recognise::{Learned, ReadBody};
use crate::refuse::{Notice, Place, Stop};

/// Largest body that is read for a human.
pub(crate) const READ_MAX_BYTES: usize = 1024 * 1024;
/// Longest beginning of a body that a human is shown, in bytes.
const PREVIEW_MAX_BYTES: usize = 4 * 1024;
/// How long a client may take to send a body that is read whole.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Pieces shorter than this are joined.
const JOINED_MAX_BYTES: usize = 16 * 1024;
/// How long the rest of a refused body is read, so that the client gets to read the refusal.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// The same, for a push.
const DRAIN_LONG_MAX_BYTES: usize = 256 * 1024 * 1024;
/// The same, beside an answer that is under way.
const DRAIN_ON_MAX_BYTES: usize = 64 * 1024 * 1024;
const DRAIN_ON_TIMEOUT: Duration = Duration::from_secs(10);

/// What was sent of a body, seen from elsewhere.
#[derive(Default)]
pub(crate) struct Progress {
    sent_bytes: AtomicU64,
    is_broken: AtomicBool,
    is_complete: AtomicBool,
    /// The line it goes over, where its answer came first.
    line: OnceLock<Upstream>,
    unfit: OnceLock<Unfit>,
    pushed: Mutex<Option<Pushed>>,
}

/// What of a push is seen while it passes.
struct Pushed {
    objects: PushedObjects,
    looker: PushLooker,
}

/// Why a body that was allowed did not go on.
#[derive(Clone)]
pub(crate) enum Unfit {
    /// It is not what its head promised.
    Malformed(BadFetch),
    /// There are no bytes left for it.
    Spent(Box<Refusal>),
}

impl Unfit {
    /// The code of the outcome.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "failed.request",
            Self::Spent(_) => "failed.bytes",
        }
    }

    /// What the client is told.
    pub(crate) fn notice(self, place: Place) -> Notice {
        match self {
            Self::Malformed(bad) => {
                Notice::malformed("git", bad.to_string(), "fetch with git as it is")
            }
            Self::Spent(refusal) => Notice::refused(*refusal, place),
        }
    }
}

impl Progress {
    /// Bytes handed to the upstream's connection so far.
    pub(crate) fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Ordering::Relaxed)
    }

    /// Why the body did not go on, if it did not.
    pub(crate) fn unfit(&self) -> Option<Unfit> {
        self.unfit.get().cloned()
    }

    /// So many bytes more are handed to the upstream's connection.
    pub(crate) fn sends(&self, bytes: u64) {
        self.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What was seen of the push that it is, if it is one; once.
    pub(crate) fn pushed(&self) -> Option<PushLook> {
        let pushed = self.pushed.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let summary = pushed.objects.finish();
        Some(pushed.looker.finish(summary.unlooked.map(Unlooked::words), summary.unknown))
    }

    // Looks and holds nothing back: what is found is recorded with the outcome.
    fn looks_at(&self, data: &[u8]) {
        let mut pushed = self.pushed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Pushed { objects, looker }) = pushed.as_mut() {
            objects.feed(data, &mut |id, object| looker.look_at(id, object));
        }
    }

    /// Whether all of it was handed on.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::Relaxed)
    }

    /// Keeps a line open until the body was handed on.
    pub(crate) fn hold(&self, line: Upstream) {
        // There is one answer to a request, and so one line.
        let _first = self.line.set(line);
    }

    /// Whether the client stopped sending in the middle.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Relaxed)
    }
}

/// The body of one request.
pub(crate) struct Upload {
    /// What was read already, to be sent first.
    read: VecDeque<Bytes>,
    rest: Option<Incoming>,
    waits_for_continue: bool,
    guard: Option<UploadPackGuard>,
    allowance: Option<Arc<Allowance>>,
    /// What waits until there are bytes left for it.
    unpaid: Option<Bytes>,
    progress: Arc<Progress>,
    is_looked_at: bool,
    place: Option<BodyPlace>,
}

/// Why a body ends before it is complete.
#[derive(Debug, Error)]
pub(crate) enum Broken {
    /// The client stopped sending.
    #[error("the client broke off: {0}")]
    Client(#[from] hyper::Error),
    /// What it sent is not what its head promised.
    #[error("{0}")]
    Refused(#[from] BadFetch),
    /// There are no bytes left for it.
    #[error("{0}")]
    Spent(#[from] Spent),
}

impl Upload {
    /// The body of a request. One that waits for `100 Continue` is never read only to be dropped.
    pub(crate) fn new(body: Incoming, waits_for_continue: bool) -> Self {
        let is_complete = AtomicBool::new(body.is_end_stream());
        Self {
            read: VecDeque::new(),
            rest: (!body.is_end_stream()).then_some(body),
            waits_for_continue,
            guard: None,
            allowance: None,
            unpaid: None,
            progress: Arc::new(Progress { is_complete, ..Progress::default() }),
            is_looked_at: false,
            place: None,
        }
    }

    /// Whether there is anything to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_none() && self.read.is_empty()
    }

    /// The count of what is sent.
    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Reads the body whole and says what it is; [`Body::Streamed`] where it is longer than
    /// [`READ_MAX_BYTES`]. What was read is kept and sent first.
    pub(crate) async fn read_whole(&mut self, place: &RunPlace) -> Result<Body, Stop> {
        self.place = Some(place.of_body().await?);
        let reading = self.read_to_bound();
        timeout(READ_TIMEOUT, reading).await.map_err(|_| late())?
    }

    async fn read_to_bound(&mut self) -> Result<Body, Stop> {
        let mut size = 0;
        let announced = self.rest.as_ref().map_or(0, |rest| rest.size_hint().lower());
        if announced > READ_MAX_BYTES as u64 {
            return Ok(Body::Streamed);
        }
        // Reading is what tells the client to go on.
        self.waits_for_continue = false;
        while let Some(data) = self.next_data().await? {
            size += data.len();
            self.keep(data);
            if size > READ_MAX_BYTES {
                return Ok(Body::Streamed);
            }
        }
        Ok(described(&self.read, size))
    }

    /// Reads the beginning of the body, as far as `reader` needs it. What was read is kept and
    /// sent first.
    ///
    /// # Errors
    /// What the reader says of a body it does not understand.
    pub(crate) async fn read_beginning(
        &mut self,
        mut reader: Box<dyn ReadBody>,
        place: &RunPlace,
    ) -> Result<Learned, Stop> {
        self.place = Some(place.of_body().await?);
        let reading = async {
            // Reading is what tells the client to go on.
            self.waits_for_continue = false;
            while let Some(data) = self.next_data().await? {
                let is_enough = reader.feed(&data);
                self.keep(data);
                if is_enough? {
                    break;
                }
            }
            Ok::<_, Stop>(reader.learn()?)
        };
        let learned = timeout(READ_TIMEOUT, reading).await.map_err(|_| late())?;
        if let Err(Stop::Told(..)) = &learned {
            self.drain(true).await;
        }
        match learned? {
            Learned::Operation(operation, voice) if operation.body == Body::Streamed => {
                let size = self.read.iter().map(Bytes::len).sum();
                let body = described(&self.read, size);
                Ok(Learned::Operation(Box::new(Operation { body, ..*operation }), voice))
            }
            learned => Ok(learned),
        }
    }

    /// The next bytes before anything is decided, until the end. Cut where the client went away.
    async fn next_data(&mut self) -> Result<Option<Bytes>, Stop> {
        while let Some(rest) = &mut self.rest {
            match rest.frame().await {
                Some(frame) => {
                    if let Ok(data) = frame.map_err(|_| Stop::Cut)?.into_data() {
                        return Ok(Some(data));
                    }
                }
                None => self.rest = None,
            }
        }
        Ok(None)
    }

    // Small frames are joined, so that what is held takes no more memory than it has bytes.
    fn keep(&mut self, data: Bytes) {
        if data.len() >= JOINED_MAX_BYTES {
            self.read.push_back(data);
            return;
        }
        let last = self.read.pop_back().unwrap_or_default();
        if last.len() >= JOINED_MAX_BYTES {
            self.read.push_back(last);
            self.read.push_back(Bytes::copy_from_slice(&data));
            return;
        }
        // The last piece is ours alone, so that it grows in place.
        let mut joined = BytesMut::from(last);
        joined.extend_from_slice(&data);
        self.read.push_back(joined.freeze());
    }

    /// How long it says it is; 0 where it does not say.
    pub(crate) fn announced_bytes(&self) -> u64 {
        self.size_hint().lower()
    }

    /// Takes the bytes that are sent from there.
    pub(crate) fn spend_from(&mut self, allowance: Option<Arc<Allowance>>) {
        self.allowance = allowance;
    }

    /// Has the objects of a push looked at as they are sent on.
    pub(crate) fn look_with(&mut self, looker: PushLooker) {
        let pushed = Pushed { objects: PushedObjects::default(), looker };
        *self.progress.pushed.lock().unwrap_or_else(PoisonError::into_inner) = Some(pushed);
        self.is_looked_at = true;
    }

    /// Follows the body as it is sent on; what the guard refuses goes no further.
    pub(crate) fn follow_with(&mut self, guard: UploadPackGuard) {
        self.guard = Some(guard);
    }

    /// Reads on for a moment after a refusal, and drops it: a connection closed with unread bytes
    /// is reset, and the client would never see why. A push is `long`: git reads the report only
    /// when it has sent everything.
    pub(crate) async fn drain(&mut self, is_long: bool) {
        let (max_bytes, time) = if is_long {
            (DRAIN_LONG_MAX_BYTES, READ_TIMEOUT)
        } else {
            (READ_MAX_BYTES, DRAIN_TIMEOUT)
        };
        self.drain_within(max_bytes, time).await;
    }

    /// Reads on within other bounds, beside the answer: a client of HTTP/2 need not stop sending
    /// because it was answered (RFC 9113 §8.1), and some read their answer only afterwards.
    pub(crate) async fn drain_on(mut self) {
        self.drain_within(DRAIN_ON_MAX_BYTES, DRAIN_ON_TIMEOUT).await;
    }

    async fn drain_within(&mut self, max_bytes: usize, time: Duration) {
        self.read.clear();
        self.place = None;
        let reading = async {
            let mut left = max_bytes;
            while let Some(Ok(frame)) = self.next_frame().await {
                let size = frame.data_ref().map_or(0, Bytes::len);
                let Some(less) = left.checked_sub(size) else { return };
                left = less;
            }
            self.rest = None;
        };
        let _drained = timeout(time, reading).await;
    }

    async fn next_frame(&mut self) -> Option<hyper::Result<Frame<Bytes>>> {
        match &mut self.rest {
            Some(rest) if !self.waits_for_continue => rest.frame().await,
            _ => None,
        }
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            if self.unpaid.is_some() {
                return self.poll_pay(cx).map(Some);
            }
            if let Some(data) = self.read.pop_front() {
                self.unpaid = Some(data);
                continue;
            }
            self.place = None;
            let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
            match ready!(Pin::new(rest).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.unpaid = Some(data),
                    Err(_trailers) => {}
                },
                Some(Err(error)) => {
                    self.progress.is_broken.store(true, Ordering::Relaxed);
                    return Poll::Ready(Some(Err(error.into())));
                }
                None => {
                    self.rest = None;
                    self.progress.is_complete.store(true, Ordering::Relaxed);
                    let ended = self.guard.as_mut().map_or(Ok(()), UploadPackGuard::end);
                    if let Err(bad) = ended {
                        return Poll::Ready(Some(Err(self.refuses(bad))));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.unpaid.is_none()
            && self.read.is_empty()
            && self.rest.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let read = self.unpaid.iter().chain(&self.read).map(|data| data.len() as u64).sum::<u64>();
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(read));
        }
        hint
    }
}

impl Upload {
    fn poll_pay(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame<Bytes>, Broken>> {
        let size = self.unpaid.as_ref().map_or(0, |data| data.len() as u64);
        if let Some(allowance) = &self.allowance
            && let Err(spent) = ready!(allowance.poll_take(cx, size))
        {
            let _first = self.progress.unfit.set(Unfit::Spent(spent.refusal.clone()));
            return Poll::Ready(Err(spent.into()));
        }
        let data = self.unpaid.take().unwrap_or_default();
        Poll::Ready(self.sends(data))
    }

    fn sends(&mut self, data: Bytes) -> Result<Frame<Bytes>, Broken> {
        if let Some(guard) = &mut self.guard
            && let Err(bad) = guard.admit(&data)
        {
            return Err(self.refuses(bad));
        }
        if self.is_looked_at {
            self.progress.looks_at(&data);
        }
        self.progress.sends(data.len() as u64);
        if self.is_end_stream() {
            self.progress.is_complete.store(true, Ordering::Relaxed);
        }
        Ok(Frame::data(data))
    }

    fn refuses(&mut self, bad: BadFetch) -> Broken {
        // Only the first word counts.
        let _first = self.progress.unfit.set(Unfit::Malformed(bad));
        Broken::Refused(bad)
    }
}

fn late() -> Notice {
    Notice::malformed("body", "the body did not come in time", "send it at once")
}

/// What a body of exactly these bytes is.
pub(crate) fn whole(bytes: &Bytes) -> Body {
    described(&VecDeque::from([bytes.clone()]), bytes.len())
}

fn described(pieces: &VecDeque<Bytes>, size: usize) -> Body {
    let mut hasher = Hasher::new();
    let mut beginning = Vec::with_capacity(size.min(PREVIEW_MAX_BYTES));
    for piece in pieces {
        hasher.update(piece);
        let room = PREVIEW_MAX_BYTES - beginning.len();
        beginning.extend(piece.iter().take(room));
    }
    Body::Read { digest: hasher.finish(), size_bytes: size as u64, preview: preview(&beginning) }
}

// A replacement character is longer than the byte it stands for, hence the second bound.
fn preview(beginning: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(beginning).into_owned();
    let end = (0..=PREVIEW_MAX_BYTES).rev().find(|&end| text.is_char_boundary(end));
    text.truncate(end.unwrap_or(0));
    text
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use marque_crypto::hash::sha256;
    use marque_domain::Body;

    use super::{PREVIEW_MAX_BYTES, described, preview};

    #[test]
    fn a_read_body_is_known_by_all_its_bytes_and_shown_by_its_beginning() {
        let content = vec![b'x'; 3 * PREVIEW_MAX_BYTES];
        let pieces = content.chunks(1_000).map(Bytes::copy_from_slice).collect();
        let expected = Body::Read {
            digest: sha256(&content),
            size_bytes: 3 * PREVIEW_MAX_BYTES as u64,
            preview: "x".repeat(PREVIEW_MAX_BYTES),
        };
        assert_eq!(described(&pieces, content.len()), expected);
    }

    #[test]
    fn a_preview_stays_within_its_bound_whatever_the_bytes() {
        assert_eq!(preview("grüße".as_bytes()), "grüße");
        assert!(preview(&[0xff; PREVIEW_MAX_BYTES]).len() <= PREVIEW_MAX_BYTES);
    }
}
