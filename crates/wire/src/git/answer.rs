//! Refusals in git's own protocol, so that the client prints them as its server's.
//!
//! Owns those bytes: `ERR` packets, sideband text and reports of a push that did not happen. Text
//! is made plain ASCII on one line first, since it may repeat what an agent chose (threats 87
//! and 139).

use super::pkt::{Band, PktWriter};
use super::push::ReportStyle;
use super::ref_name::RefName;
use super::service::Service;

/// Longest line of text for a person, in bytes.
pub const TEXT_MAX_BYTES: usize = 1000;
/// Longest reason on a ref, in bytes.
pub const REASON_MAX_BYTES: usize = 200;
/// Most lines of text for a person.
pub const LINES_MAX: usize = 32;

/// Every text here is shorter, by far.
const FITS: &str = "bounded text fits into a packet";

/// What a refused push is told.
#[derive(Debug, Clone, Copy)]
pub struct PushRefusal<'a> {
    /// Why, in short: stands behind each ref.
    pub reason: &'a str,
    /// What the client prints after `remote: `, line by line; only a sideband carries it.
    pub lines: &'a [String],
}

/// An answer to `GET info/refs`, of type [`Service::advertisement_type`]; any version of the
/// protocol takes it. Git prints `fatal: remote error: <text>`.
pub fn discovery_refused(service: Service, text: &str) -> Vec<u8> {
    let mut pkts = PktWriter::new();
    pkts.line(format!("# service={service}\n").as_bytes()).expect(FITS);
    pkts.flush();
    pkts.line(error(text).as_bytes()).expect(FITS);
    pkts.into_bytes()
}

/// An answer to `POST git-upload-pack`, of type [`Service::result_type`]. Git prints
/// `fatal: remote error: <text>`.
pub fn fetch_refused(text: &str) -> Vec<u8> {
    let mut pkts = PktWriter::new();
    pkts.line(error(text).as_bytes()).expect(FITS);
    pkts.into_bytes()
}

/// An answer to `POST git-receive-pack`, of type [`Service::result_type`]: the report that each of
/// `refs` was refused. Git prints `! [remote rejected] … (<reason>)` for each.
///
/// Without refs, when the push could not be read, the report is that nothing was unpacked.
pub fn push_refused<'a>(
    style: ReportStyle,
    refs: impl IntoIterator<Item = &'a RefName>,
    refusal: PushRefusal<'_>,
) -> Vec<u8> {
    let reason = plain(refusal.reason, REASON_MAX_BYTES);
    let mut refs = refs.into_iter().peekable();
    let mut report = PktWriter::new();
    match refs.peek() {
        Some(_) => report.line(b"unpack ok\n").expect(FITS),
        None => report.line(format!("unpack {reason}\n").as_bytes()).expect(FITS),
    }
    for name in refs {
        report.line(format!("ng {name} {reason}\n").as_bytes()).expect(FITS);
    }
    report.flush();
    if !style.side_band {
        return report.into_bytes();
    }
    let mut pkts = PktWriter::new();
    for line in refusal.lines.iter().take(LINES_MAX) {
        pkts.band(Band::Progress, format!("{}\n", plain(line, TEXT_MAX_BYTES)).as_bytes());
    }
    pkts.band(Band::Data, &report.into_bytes());
    pkts.flush();
    pkts.into_bytes()
}

/// An `ERR` packet has no LF: git would print it.
fn error(text: &str) -> String {
    format!("ERR {}", plain(text, TEXT_MAX_BYTES))
}

/// One line of printable ASCII, never empty, cut to `limit` bytes.
fn plain(text: &str, limit: usize) -> String {
    let spell = |c: char| match c {
        ' '..='~' => c,
        c if c.is_whitespace() => ' ',
        _ => '?',
    };
    let text: String = text.trim().chars().take(limit).map(spell).collect();
    if text.is_empty() { "refused".to_owned() } else { text }
}
