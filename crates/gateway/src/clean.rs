//! Answers without what must not come back: unpacked, searched, and rid of fields that are not the
//! run's.
//!
//! Owns what was injected in each run, for as long as the run is open, and the order of the steps.
//! The search itself is `scrub`'s.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use marque_domain::{Id, OnEcho, Run};
use marque_plane::{Injection, LiveRun};
use marque_wire::http1::hop::HELD_BACK;

use crate::scrub::{Decoder, Needles, Scrubber, scrub_value};
use crate::tally;

/// Fields that speak of the bytes as they were packed.
const OF_PACKED: [&str; 5] =
    ["accept-ranges", "content-digest", "content-md5", "digest", "repr-digest"];

/// What was injected in each open run.
#[derive(Default)]
pub(crate) struct Injected {
    runs: Mutex<HashMap<Id<Run>, Arc<Needles>>>,
}

impl Injected {
    /// Notes what is injected now, and says what must not come back in that run from here on.
    pub(crate) fn note(&self, run: &Arc<LiveRun>, injection: Option<&Injection>) -> Arc<Needles> {
        let mut runs = self.lock();
        let known = runs.get(&run.run).map_or_else(|| Arc::new(Needles::none()), Arc::clone);
        let news = injection.filter(|injection| !is_known(&known, injection));
        let Some(injection) = news else { return known };
        let needles = Arc::new(known.and(&values(injection)));
        // What a run that has ended would leave here, nobody would take away.
        if !run.is_cancelled() {
            runs.insert(run.run, Arc::clone(&needles));
        }
        needles
    }

    /// Drops what was injected in a run that has ended; the last answer wipes it.
    pub(crate) fn forget(&self, run: Id<Run>) {
        self.lock().remove(&run);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id<Run>, Arc<Needles>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_known(needles: &Needles, injection: &Injection) -> bool {
    values(injection).iter().all(|value| needles.holds(value))
}

/// The credential, what stands in the field, and that without its scheme.
fn values(injection: &Injection) -> [&[u8]; 3] {
    let whole = injection.value.expose();
    let without_scheme = whole
        .iter()
        .position(|byte| *byte == b' ')
        .map_or(whole, |space| whole.get(space + 1..).unwrap_or_default());
    [injection.bare.expose(), whole, without_scheme]
}

/// Why an answer does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unclean {
    /// It holds a credential, and the connection says that such answers end.
    Echo,
    /// It is packed in a way nobody can look into.
    Packed,
}

impl Unclean {
    /// The code of the outcome.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Echo => "failed.echo",
            Self::Packed => "failed.packed",
        }
    }
}

/// What is known of a body before it comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coming {
    pub(crate) status: StatusCode,
    /// Whether any comes: none follows the answer to HEAD, whatever its fields say of one.
    pub(crate) has_body: bool,
    /// Whether it is read here, and so must be unpacked whatever is searched for.
    pub(crate) is_read: bool,
}

/// Cleans one answer.
pub(crate) struct Cleaner {
    decoder: Option<Decoder>,
    scrubber: Scrubber,
    finds: Finds,
    fed: Option<Bytes>,
    searched: usize,
    /// The answer is over; whether its end was given out.
    is_last: bool,
    is_drained: bool,
}

/// What was found in one answer so far.
struct Finds {
    count: u64,
    on_echo: OnEcho,
}

impl Finds {
    fn note(&mut self, count: usize) -> Result<(), Unclean> {
        if count == 0 {
            return Ok(());
        }
        self.count = self.count.saturating_add(count as u64);
        tally::echoed(count);
        tracing::warn!(count, "an upstream's answer held a credential that was injected");
        match self.on_echo {
            OnEcho::Redact => Ok(()),
            OnEcho::Cut => Err(Unclean::Echo),
        }
    }
}

impl Cleaner {
    /// Cleans an answer in which those must not stand.
    pub(crate) fn new(needles: Arc<Needles>, on_echo: OnEcho) -> Self {
        Self {
            decoder: None,
            scrubber: Scrubber::new(needles),
            finds: Finds { count: 0, on_echo },
            fed: None,
            searched: 0,
            is_last: false,
            is_drained: false,
        }
    }

    /// Cleans the fields of the answer, and learns from them how its body is packed. Fields that
    /// are held back stay only where they are among `passes`.
    ///
    /// # Errors
    /// [`Unclean`] where the answer must not go on at all.
    pub(crate) fn clean_head(
        &mut self,
        headers: &mut HeaderMap,
        passes: &BTreeSet<String>,
        coming: Coming,
    ) -> Result<(), Unclean> {
        for name in HELD_BACK.iter().filter(|name| !passes.contains(**name)) {
            headers.remove(*name);
        }
        clean_fields(headers, self.scrubber.needles(), &mut self.finds)?;
        let is_searched = coming.is_read || !self.scrubber.needles().is_empty();
        if !coming.has_body || !is_searched {
            return Ok(());
        }
        self.decoder = Decoder::of(headers).map_err(|_| Unclean::Packed)?;
        if self.decoder.is_some() {
            // A part of what is packed cannot be unpacked.
            if coming.status == StatusCode::PARTIAL_CONTENT {
                return Err(Unclean::Packed);
            }
            for name in
                OF_PACKED.into_iter().chain([CONTENT_ENCODING.as_str(), CONTENT_LENGTH.as_str()])
            {
                headers.remove(name);
            }
        }
        Ok(())
    }

    /// How many bytes were searched since this was last asked.
    pub(crate) fn take_searched(&mut self) -> usize {
        std::mem::take(&mut self.searched)
    }

    /// How many credentials were found so far, in fields and body.
    pub(crate) fn found(&self) -> u64 {
        self.finds.count
    }

    /// Whether all that was fed has gone on, byte for byte.
    pub(crate) fn is_even(&self) -> bool {
        self.decoder.is_none() && self.fed.is_none() && self.scrubber.holds_nothing()
    }

    /// Whether the body keeps its length.
    pub(crate) fn keeps_length(&self) -> bool {
        self.decoder.is_none()
    }

    /// Takes the next chunk. To be followed by [`Cleaner::next_piece`] until there is none.
    pub(crate) fn feed(&mut self, chunk: Bytes) {
        match &mut self.decoder {
            Some(decoder) => decoder.feed(chunk),
            None => self.fed = Some(chunk),
        }
    }

    /// Nothing more will be fed.
    pub(crate) fn finish(&mut self) {
        self.is_last = true;
    }

    /// There is no body at all.
    pub(crate) fn finish_empty(&mut self) {
        (self.is_last, self.is_drained) = (true, true);
    }

    /// Whether all that may go on has gone on.
    pub(crate) fn is_drained(&self) -> bool {
        self.is_drained && self.fed.is_none()
    }

    /// The next piece that may go on, never empty; `None` where more must be fed, or all is over.
    ///
    /// # Errors
    /// [`Unclean`] where nothing more may go on.
    pub(crate) fn next_piece(&mut self) -> Result<Option<Bytes>, Unclean> {
        loop {
            let piece = match &mut self.decoder {
                Some(decoder) => decoder.next_piece().map_err(|_| Unclean::Packed)?,
                None => self.fed.take(),
            };
            let scrubbed = match piece {
                // The last one goes on with what would be kept back, for nobody asks for more
                // once an answer is as long as it said.
                Some(piece) if self.is_last && self.decoder.is_none() => {
                    self.is_drained = true;
                    self.scrubber.last(piece)
                }
                Some(piece) => self.scrubber.feed(piece),
                None if self.is_last && !self.is_drained => {
                    self.is_drained = true;
                    if let Some(decoder) = &self.decoder {
                        decoder.finish().map_err(|_| Unclean::Packed)?;
                    }
                    self.scrubber.finish()
                }
                None => return Ok(None),
            };
            self.searched = self.searched.saturating_add(scrubbed.searched);
            self.finds.note(scrubbed.found)?;
            if !scrubbed.data.is_empty() {
                return Ok(Some(scrubbed.data));
            }
        }
    }

    /// Nothing follows for now: what may go on all the same of what is kept back.
    pub(crate) fn let_pass(&mut self) -> Option<Bytes> {
        Some(self.scrubber.let_pass()).filter(|data| !data.is_empty())
    }

    /// Cleans the trailers of the answer.
    ///
    /// # Errors
    /// As for [`Cleaner::next_piece`].
    pub(crate) fn clean_trailers(&mut self, trailers: &mut HeaderMap) -> Result<(), Unclean> {
        clean_fields(trailers, self.scrubber.needles(), &mut self.finds)
    }
}

/// Cleans the messages of one socket. Each is whole, and so searched by itself.
pub(crate) struct MessageCleaner {
    finds: Finds,
}

impl MessageCleaner {
    /// Cleans messages of an upstream in whose opening so many credentials were found.
    pub(crate) fn new(found: u64, on_echo: OnEcho) -> Self {
        Self { finds: Finds { count: found, on_echo } }
    }

    /// The message without those, and how many bytes were searched for it.
    ///
    /// # Errors
    /// [`Unclean`] where it must not go on.
    pub(crate) fn clean(
        &mut self,
        needles: Arc<Needles>,
        message: Bytes,
    ) -> Result<(Bytes, usize), Unclean> {
        let scrubbed = Scrubber::new(needles).last(message);
        self.finds.note(scrubbed.found)?;
        Ok((scrubbed.data, scrubbed.searched))
    }

    /// How many credentials were found so far.
    pub(crate) fn found(&self) -> u64 {
        self.finds.count
    }
}

fn clean_fields(
    headers: &mut HeaderMap,
    needles: &Needles,
    finds: &mut Finds,
) -> Result<(), Unclean> {
    // The length was read and holds: asterisks in its place would be no length.
    for (_, value) in headers.iter_mut().filter(|(name, _)| **name != CONTENT_LENGTH) {
        if let Some(clean) = scrub_value(needles, value.as_bytes()) {
            finds.note(1)?;
            *value = HeaderValue::from_bytes(&clean).map_err(|_| Unclean::Echo)?;
        }
    }
    let named: Vec<HeaderName> = headers
        .keys()
        .filter(|name| scrub_value(needles, name.as_str().as_bytes()).is_some())
        .cloned()
        .collect();
    for name in named {
        finds.note(1)?;
        headers.remove(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
