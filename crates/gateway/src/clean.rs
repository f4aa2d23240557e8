//! Answers without what must not come back: unpacked, searched, and rid of fields that are not the
//! run's.
//!
//! Owns what was injected in each run, for as long as the run is open, and the order of the steps.
//! The search itself is `scrub`'s.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use marque_domain::{Answers, Id, OnEcho, Run};
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

/// Cleans one answer.
pub(crate) struct Cleaner {
    decoder: Option<Decoder>,
    scrubber: Scrubber,
    on_echo: OnEcho,
    fed: Option<Bytes>,
    /// The answer is over; whether its end was given out.
    is_last: bool,
    is_drained: bool,
}

impl Cleaner {
    /// Cleans the fields of an answer, and says how its body is cleaned.
    ///
    /// # Errors
    /// [`Unclean`] where the answer must not go on at all.
    pub(crate) fn begin(
        headers: &mut HeaderMap,
        status: StatusCode,
        (needles, answers): (Arc<Needles>, &Answers),
    ) -> Result<Self, Unclean> {
        for name in HELD_BACK.iter().filter(|name| !answers.passes.contains(**name)) {
            headers.remove(*name);
        }
        clean_fields(headers, &needles, answers.on_echo)?;
        let is_bodiless = matches!(status.as_u16(), 100..=199 | 204 | 304);
        let decoder = if needles.is_empty() || is_bodiless {
            None
        } else {
            Decoder::of(headers).map_err(|_| Unclean::Packed)?
        };
        if decoder.is_some() {
            // A part of what is packed cannot be unpacked.
            if status == StatusCode::PARTIAL_CONTENT {
                return Err(Unclean::Packed);
            }
            for name in
                OF_PACKED.into_iter().chain([CONTENT_ENCODING.as_str(), CONTENT_LENGTH.as_str()])
            {
                headers.remove(name);
            }
        }
        Ok(Self {
            decoder,
            scrubber: Scrubber::new(needles),
            on_echo: answers.on_echo,
            fed: None,
            is_last: false,
            is_drained: false,
        })
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
            if scrubbed.found > 0 {
                found(scrubbed.found, self.on_echo)?;
            }
            if !scrubbed.data.is_empty() {
                return Ok(Some(scrubbed.data));
            }
        }
    }

    /// Cleans the trailers of the answer.
    ///
    /// # Errors
    /// As for [`Cleaner::next_piece`].
    pub(crate) fn clean_trailers(&self, trailers: &mut HeaderMap) -> Result<(), Unclean> {
        clean_fields(trailers, self.scrubber.needles(), self.on_echo)
    }
}

fn clean_fields(
    headers: &mut HeaderMap,
    needles: &Needles,
    on_echo: OnEcho,
) -> Result<(), Unclean> {
    for value in headers.values_mut() {
        if let Some(clean) = scrub_value(needles, value.as_bytes()) {
            found(1, on_echo)?;
            *value = HeaderValue::from_bytes(&clean).map_err(|_| Unclean::Echo)?;
        }
    }
    let named: Vec<HeaderName> = headers
        .keys()
        .filter(|name| scrub_value(needles, name.as_str().as_bytes()).is_some())
        .cloned()
        .collect();
    for name in named {
        found(1, on_echo)?;
        headers.remove(name);
    }
    Ok(())
}

fn found(count: usize, on_echo: OnEcho) -> Result<(), Unclean> {
    tally::echoed(count);
    tracing::warn!(count, "an upstream's answer held a credential that was injected");
    match on_echo {
        OnEcho::Redact => Ok(()),
        OnEcho::Cut => Err(Unclean::Echo),
    }
}

#[cfg(test)]
mod tests;
