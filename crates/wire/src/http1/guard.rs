//! The machine both guards share: heads, bodies, and the next message on the same connection.
//!
//! Owns the state of one direction of one connection. Holds one line at most; bodies pass by
//! uncopied. A refusal is final, so nothing after a doubtful message is ever admitted.

use super::chunk::{Chunks, skip};
use super::line::{self, Line};
use super::{FIELD_LINE_MAX_BYTES, Fault, HEAD_MAX_BYTES, Malformed, TARGET_MAX_BYTES};

/// Longest start line: a target, a method, a version, spaces and CRLF.
const START_LINE_MAX_BYTES: usize = TARGET_MAX_BYTES + 32;

/// Follows one direction of a connection and admits only bytes whose framing is beyond doubt.
pub trait Guard {
    /// Takes the next bytes of the connection, in slices of any size.
    ///
    /// Pass `bytes` on only after this returned `Ok`, and then all of them. The verdict on a
    /// stream does not depend on how it is cut.
    ///
    /// # Errors
    /// What is wrong with the first doubtful message, and then the same answer for ever.
    fn admit(&mut self, bytes: &[u8]) -> Result<(), Malformed>;

    /// Notes that so many bytes went the other way.
    fn wrote(&mut self, _bytes: usize) {}

    /// Whether every message that began has also ended by its own framing.
    fn is_between_messages(&self) -> bool;
}

/// What the bytes after a head are.
pub(super) enum Body {
    Empty,
    Length(u64),
    Chunked,
    UntilClose,
    /// A CONNECT or an upgrade waits for its answer; nothing may come before it.
    AwaitTunnel,
    /// Another protocol, which another guard follows.
    Tunnel,
}

/// Reads the lines of a head and says what follows it.
pub(super) trait Head {
    /// The first byte of a message came.
    fn begin(&mut self) -> Result<(), Fault>;
    fn start_line(&mut self, text: &[u8]) -> Result<(), Fault>;
    fn field_line(&mut self, text: &[u8]) -> Result<(), Fault>;
    /// The empty line came: answers, and forgets this head.
    fn end(&mut self) -> Result<Body, Fault>;
}

/// One direction of a connection.
#[derive(Default)]
pub(super) struct Messages {
    state: State,
    line: Line,
}

#[derive(Default)]
enum State {
    /// Between messages.
    #[default]
    Idle,
    /// In a head, of which so many bytes of complete lines are past.
    Head(usize),
    Length(u64),
    Chunked(Chunks),
    UntilClose,
    AwaitTunnel,
    Tunnel,
    Refused(Malformed),
}

impl Messages {
    pub(super) fn admit(&mut self, bytes: &[u8], head: &mut impl Head) -> Result<(), Malformed> {
        if let State::Refused(malformed) = &self.state {
            return Err(malformed.clone());
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let state = std::mem::take(&mut self.state);
            match step(state, &mut rest, &mut self.line, head) {
                Ok(state) => self.state = state,
                Err(malformed) => {
                    self.state = State::Refused(malformed.clone());
                    return Err(malformed);
                }
            }
        }
        Ok(())
    }

    pub(super) fn is_between_messages(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Ends the wait for another protocol; does nothing in any other state.
    pub(super) fn answer_switch(&mut self, body: Body) {
        if matches!(self.state, State::AwaitTunnel) {
            self.state = State::from(body);
        }
    }
}

impl From<Body> for State {
    fn from(body: Body) -> Self {
        match body {
            Body::Empty | Body::Length(0) => Self::Idle,
            Body::Length(left) => Self::Length(left),
            Body::Chunked => Self::Chunked(Chunks::Size),
            Body::UntilClose => Self::UntilClose,
            Body::AwaitTunnel => Self::AwaitTunnel,
            Body::Tunnel => Self::Tunnel,
        }
    }
}

/// Consumes at least one byte of `rest`, or ends a state, or refuses.
fn step(
    state: State,
    rest: &mut &[u8],
    line: &mut Line,
    head: &mut impl Head,
) -> Result<State, Malformed> {
    match state {
        State::Idle => head.begin().map(|()| State::Head(0)).map_err(Malformed::Head),
        State::Head(past) => step_head(past, rest, line, head).map_err(Malformed::Head),
        State::Length(left) => Ok(State::from(Body::Length(skip(rest, left)))),
        State::Chunked(chunks) => {
            let chunks = chunks.step(rest, line).map_err(Malformed::Body)?;
            Ok(chunks.map_or(State::Idle, State::Chunked))
        }
        State::UntilClose | State::Tunnel => {
            *rest = &[];
            Ok(state)
        }
        State::AwaitTunnel => Err(Malformed::Body(Fault::BytesBeforeTunnel)),
        State::Refused(malformed) => Err(malformed),
    }
}

fn step_head(
    past: usize,
    rest: &mut &[u8],
    line: &mut Line,
    head: &mut impl Head,
) -> Result<State, Fault> {
    let is_start = past == 0;
    let limit = if is_start { START_LINE_MAX_BYTES } else { FIELD_LINE_MAX_BYTES };
    let left = HEAD_MAX_BYTES.saturating_sub(past);
    let over = |_| match is_start {
        true => Fault::StartLineTooLong { limit },
        false if left < limit => Fault::HeadTooLarge { limit: HEAD_MAX_BYTES },
        false => Fault::FieldLineTooLong { limit },
    };
    // A line is judged as it ends, so a lenient reader never sees the end of an unjudged line.
    let Some(line) = line.take(rest, limit.min(left)).map_err(over)? else {
        return Ok(State::Head(past));
    };
    let text = line::text(line)?;
    if is_start {
        head.start_line(text)?;
    } else if text.is_empty() {
        return head.end().map(State::from);
    } else {
        head.field_line(text)?;
    }
    Ok(State::Head(past + line.len()))
}
