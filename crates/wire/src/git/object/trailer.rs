//! Trailers: lines `Name: value` in the last paragraph of a message (git-interpret-trailers(1)).
//!
//! Stricter than git: a line that looks like one counts wherever it stands, so that nobody reads
//! another one than was judged.

/// Names the run that made an object.
pub const AGENT_RUN: &str = "Agent-Run";
/// Names the person it was made for.
pub const ON_BEHALF_OF: &str = "On-behalf-of";

/// What a message says under one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trailer<'a> {
    /// Nothing.
    Absent,
    /// This, once, where git finds it.
    Once(&'a str),
    /// Something that can be read in more than one way: twice, folded, or outside the last
    /// paragraph.
    Doubtful,
}

/// What `message` says under `name`, in whatever case that is written.
pub fn trailer<'a>(message: &'a [u8], name: &str) -> Trailer<'a> {
    let mut found = Trailer::Absent;
    // Whether the line before was one: the next one must not go on with it.
    let mut was_one = false;
    for line in message.split(|byte| *byte == b'\n') {
        let is_folded = was_one && line.first().is_some_and(|byte| b" \t".contains(byte));
        if is_folded && !line.trim_ascii().is_empty() {
            return Trailer::Doubtful;
        }
        let value = value_of(line, name);
        was_one = value.is_some();
        found = match (value, found) {
            (None, found) => found,
            (Some(value), Trailer::Absent) => match std::str::from_utf8(value) {
                Ok(value) => Trailer::Once(value),
                Err(_) => return Trailer::Doubtful,
            },
            (Some(_), _) => return Trailer::Doubtful,
        };
    }
    match found {
        Trailer::Once(_) if !is_in_last_paragraph(message, name) => Trailer::Doubtful,
        found => found,
    }
}

fn is_in_last_paragraph(message: &[u8], name: &str) -> bool {
    let mut is_in = false;
    let mut is_over = false;
    for line in message.trim_ascii_end().split(|byte| *byte == b'\n') {
        if line.trim_ascii().is_empty() {
            is_over = true;
            continue;
        }
        if std::mem::take(&mut is_over) {
            is_in = false;
        }
        is_in |= value_of(line, name).is_some();
    }
    is_in
}

// A line that begins with white space goes on with the one before. Before the colon there may be
// some, for git allows it.
fn value_of<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (found, rest) = line.split_at_checked(name.len())?;
    if !found.eq_ignore_ascii_case(name.as_bytes()) {
        return None;
    }
    Some(rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii())
}
