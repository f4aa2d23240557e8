//! The commands of a push: what comes before the pack in the body of a request to
//! `git-receive-pack` (gitprotocol-pack(5), "Reference Update Request and Packfile Transfer").
//!
//! Owns the command section and the push options. Keeps to lengths and stops where the section
//! ends: a delete has no pack, and a name may contain `PACK` (threat 117). Forwards nothing.

mod capabilities;
mod command;
mod section;

use thiserror::Error;

pub use self::capabilities::{BadCapability, Capabilities, ReportStyle};
pub use self::command::{BadCommand, Command, CommandKind, PushOption};
use self::section::Section;
use super::object_id::{BadObjectId, ObjectId};
use super::pkt::{BadPkt, PktReader};
use super::ref_name::RefName;

/// Longest section with its options, in bytes.
pub const SECTION_MAX_BYTES: usize = 1024 * 1024;
/// Most commands of one push.
pub const COMMANDS_MAX: usize = 256;
/// Most push options.
pub const OPTIONS_MAX: usize = 64;
/// Longest push option, in bytes.
pub const OPTION_MAX_BYTES: usize = 1024;
/// Most `shallow` lines.
pub const SHALLOW_MAX: usize = 1024;

/// What a push wants, all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// Each ref at most once, in the order given; none in a probe.
    pub commands: Vec<Command>,
    /// What the client can do; nothing in a probe.
    pub capabilities: Capabilities,
    /// What `--push-option` gave.
    pub options: Vec<PushOption>,
    /// Where the client's history is cut off; a server may come to be cut off there too.
    pub shallow: Vec<ObjectId>,
}

impl Push {
    /// Whether this is a bare `0000`, with which git asks for authentication before a long push.
    pub fn is_probe(&self) -> bool {
        self.commands.is_empty()
    }
}

/// Why a push is refused unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadPush {
    /// Its framing.
    #[error("the push is refused: {0}")]
    Pkt(#[from] BadPkt),
    /// Beyond [`SECTION_MAX_BYTES`].
    #[error("the commands of the push are longer than {SECTION_MAX_BYTES} bytes")]
    TooLong,
    /// Beyond [`COMMANDS_MAX`].
    #[error("the push updates more than {COMMANDS_MAX} refs; push fewer at once")]
    TooManyCommands,
    /// Beyond [`OPTIONS_MAX`].
    #[error("the push has more than {OPTIONS_MAX} options")]
    TooManyOptions,
    /// Beyond [`SHALLOW_MAX`].
    #[error("the push is cut off in more than {SHALLOW_MAX} places; fetch the whole history")]
    TooManyShallow,
    /// `git push --signed`: its certificate is a second list of commands.
    #[error("signed pushes are not supported; push without `--signed`")]
    Signed,
    /// A `shallow` line after the first command, or without any command.
    #[error("the push has a `shallow` line that does not belong there")]
    Shallow,
    /// A command that cannot be read.
    #[error(transparent)]
    Command(#[from] BadCommand),
    /// A capability that is not known.
    #[error(transparent)]
    Capability(#[from] BadCapability),
    /// An object id that is none.
    #[error("the push is refused: {0}")]
    ObjectId(#[from] BadObjectId),
    /// Ids of another hash than `object-format` says.
    #[error("the push has object ids of another format than it announces")]
    MixedFormats,
    /// One ref twice: servers differ on which command wins, and file systems on case.
    #[error("the push updates one ref twice, or two refs that differ only in case")]
    SameRef,
    /// A push option with control characters, or too long.
    #[error("a push option is longer than {OPTION_MAX_BYTES} bytes or is not plain text")]
    Option,
    /// `0001` or `0002`.
    #[error("the push has a delimiter of another protocol")]
    Boundary,
    /// Bytes after a bare `0000`.
    #[error("the push goes on although it has no commands")]
    AfterProbe,
    /// The body is over and the section is not.
    #[error("the push ends before its commands do")]
    Truncated,
}

/// Whether a reader needs more of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fed {
    /// The section goes on, or may: only the end of the body tells a probe.
    More,
    /// The section is complete; what follows is the pack.
    Done,
}

/// Reads the command section of a push as it arrives.
#[derive(Default)]
pub struct PushReader {
    length: usize,
    pkts: PktReader,
    section: Section,
    refused: Option<BadPush>,
}

impl PushReader {
    /// A reader at the start of a body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the body, in slices of any size. Once [`Fed::Done`], it looks at
    /// nothing more.
    ///
    /// # Errors
    /// [`BadPush`] at the first doubtful byte, and then the same answer for ever.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Fed, BadPush> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        self.read(bytes).inspect_err(|refused| self.refused = Some(*refused))
    }

    /// The push, once the section is complete or the body is over.
    ///
    /// # Errors
    /// [`BadPush::Truncated`] where the section is not complete; what was refused stays so.
    pub fn finish(self) -> Result<Push, BadPush> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        self.section.into_push().ok_or(BadPush::Truncated)
    }

    /// How the client takes a report, as far as it has said; `None` where it takes none. Holds
    /// after a refusal too, so that the refusal can be told in the protocol.
    pub fn answerable(&self) -> Option<ReportStyle> {
        self.section.answerable()
    }

    /// How many bytes of the body belonged to the section so far.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The refs of the commands read so far, also after a refusal.
    pub fn refs(&self) -> impl Iterator<Item = &RefName> {
        self.section.commands().iter().map(|command| &command.reference)
    }

    fn read(&mut self, bytes: &[u8]) -> Result<Fed, BadPush> {
        // What fits is looked at first, so that the verdict does not depend on the cut.
        let left = SECTION_MAX_BYTES - self.length;
        let (fitting, over) = bytes.split_at(bytes.len().min(left));
        let mut rest = fitting;
        while !rest.is_empty() && !self.section.is_complete() {
            if self.section.is_probe() {
                return Err(BadPush::AfterProbe);
            }
            if let Some(pkt) = self.pkts.next(&mut rest)? {
                self.section.take(pkt)?;
            }
        }
        self.length += fitting.len() - rest.len();
        match self.section.is_complete() {
            true => Ok(Fed::Done),
            false if over.is_empty() => Ok(Fed::More),
            false => Err(BadPush::TooLong),
        }
    }
}
