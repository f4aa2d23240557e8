//! One command of a push: a ref, where it is and where it should go; and push options.
//!
//! Owns their parse. Whether an update throws history away cannot be seen here: that takes the
//! objects.

use std::fmt;

use thiserror::Error;

use super::{BadPush, OPTION_MAX_BYTES};
use crate::git::object_id::{BadObjectId, ObjectId};
use crate::git::ref_name::{BadRefName, RefName};

/// One update of one ref.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Command {
    /// Where the client saw the ref; zeros where it did not.
    pub old: ObjectId,
    /// Where it should go; zeros to delete it.
    pub new: ObjectId,
    /// Which ref.
    pub reference: RefName,
}

/// What a command does to its ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommandKind {
    /// It is new.
    Create,
    /// It moves, forward or not.
    Update,
    /// It goes.
    Delete,
}

/// Why a command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadCommand {
    /// Not `old new ref`.
    #[error("the push has a line that is no command")]
    Malformed,
    /// From nothing to nothing.
    #[error("the push has a command that neither creates nor deletes")]
    Nothing,
    /// An id that is none.
    #[error("the push is refused: {0}")]
    ObjectId(#[from] BadObjectId),
    /// A ref that is none.
    #[error("the push is refused: {0}")]
    Ref(#[from] BadRefName),
}

impl Command {
    /// What it does.
    pub fn kind(&self) -> CommandKind {
        match (self.old.is_zero(), self.new.is_zero()) {
            (true, _) => CommandKind::Create,
            (false, true) => CommandKind::Delete,
            (false, false) => CommandKind::Update,
        }
    }

    /// Parses a line without its capabilities.
    pub(super) fn parse(line: &[u8]) -> Result<Self, BadCommand> {
        let mut parts = line.splitn(3, |&byte| byte == b' ');
        let (Some(old), Some(new), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(BadCommand::Malformed);
        };
        let (old, new) = (ObjectId::parse(old)?, ObjectId::parse(new)?);
        if old.is_zero() && new.is_zero() {
            return Err(BadCommand::Nothing);
        }
        Ok(Self { old, new, reference: RefName::parse(name)? })
    }
}

impl fmt::Display for Command {
    /// As it is sent, without capabilities.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.old, self.new, self.reference)
    }
}

/// What one `--push-option` says, such as `ci.skip`: text that hooks of the server act on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PushOption(String);

impl PushOption {
    /// The whole option.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is before the first `=`; all of it where there is none.
    pub fn key(&self) -> &str {
        self.0.split_once('=').map_or(self.as_str(), |(key, _)| key)
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, BadPush> {
        let text = std::str::from_utf8(text).map_err(|_| BadPush::Option)?;
        // Neither what moves a terminal nor what hides or reorders the rest (threat 139).
        let is_hidden = |c: char| {
            c.is_control()
                || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
                || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
        };
        if text.is_empty() || text.len() > OPTION_MAX_BYTES || text.contains(is_hidden) {
            return Err(BadPush::Option);
        }
        Ok(Self(text.to_owned()))
    }
}
