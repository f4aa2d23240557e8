//! What a client says it can do, after the NUL of its first command (gitprotocol-capabilities(5)).
//!
//! Owns the closed list of capabilities a push may name. An unknown one could change what the
//! section means, so it is refused.

use thiserror::Error;

use crate::git::object_id::ObjectFormat;

/// How a client takes a report of its push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReportStyle {
    /// In `side-band-64k`, which also carries text for the person who pushes.
    pub side_band: bool,
}

/// The capabilities of a push that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// How it takes a report; `None` where it takes none.
    pub report: Option<ReportStyle>,
    /// All refs or none.
    pub atomic: bool,
    /// Push options follow the commands.
    pub push_options: bool,
    /// How its objects are hashed.
    pub object_format: ObjectFormat,
}

/// Why the list of capabilities is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadCapability {
    /// Not on the list, or with a value where it takes none, or the other way round.
    #[error("the push asks for a capability that is not supported")]
    Unknown,
    /// One of them twice, or a second list.
    #[error("the push names a capability twice")]
    Repeated,
    /// Not visible ASCII.
    #[error("the push has a capability that is not plain text")]
    NotPlain,
}

/// Every name that is let through; those of a value end in `=`.
const KNOWN: [&str; 11] = [
    "report-status",
    "report-status-v2",
    "delete-refs",
    "quiet",
    "atomic",
    "ofs-delta",
    "side-band-64k",
    "push-options",
    "object-format=",
    "agent=",
    "session-id=",
];

impl Default for Capabilities {
    fn default() -> Self {
        let object_format = ObjectFormat::Sha1;
        Self { report: None, atomic: false, push_options: false, object_format }
    }
}

impl Capabilities {
    /// Parses the list.
    pub(super) fn parse(list: &[u8]) -> Result<Self, BadCapability> {
        if !list.iter().all(|&byte| byte == b' ' || byte.is_ascii_graphic()) {
            return Err(BadCapability::NotPlain);
        }
        let mut seen: Vec<&str> = Vec::new();
        let mut object_format = ObjectFormat::Sha1;
        for word in words(list) {
            let word = std::str::from_utf8(word).map_err(|_| BadCapability::NotPlain)?;
            let (name, value) = match word.find('=') {
                Some(at) => word.split_at(at + 1),
                None => (word, ""),
            };
            let name = KNOWN.into_iter().find(|known| *known == name);
            let name = name.ok_or(BadCapability::Unknown)?;
            if seen.contains(&name) {
                return Err(BadCapability::Repeated);
            }
            seen.push(name);
            object_format = match (name, value) {
                ("object-format=", "sha1") => ObjectFormat::Sha1,
                ("object-format=", "sha256") => ObjectFormat::Sha256,
                ("object-format=", _) => return Err(BadCapability::Unknown),
                _ => object_format,
            };
        }
        let has = |name| seen.contains(&name);
        Ok(Self {
            report: Self::peek_style(list),
            atomic: has("atomic"),
            push_options: has("push-options"),
            object_format,
        })
    }

    /// How a list asks for its report, whatever else is wrong with it.
    pub(super) fn peek_style(list: &[u8]) -> Option<ReportStyle> {
        let has = |name: &[u8]| words(list).any(|word| word == name);
        let takes_report = has(b"report-status") || has(b"report-status-v2");
        takes_report.then(|| ReportStyle { side_band: has(b"side-band-64k") })
    }
}

fn words(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b' ').filter(|word| !word.is_empty())
}
