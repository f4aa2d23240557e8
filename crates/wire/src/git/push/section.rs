//! The order of lines in the command section, and what has been read of it.
//!
//! Owns which line may follow which: `shallow` lines, commands, flush, options, flush.

use super::capabilities::{BadCapability, Capabilities, ReportStyle};
use super::command::{Command, PushOption};
use super::{BadPush, COMMANDS_MAX, OPTIONS_MAX, Push, SHALLOW_MAX};
use crate::git::object_id::{ObjectFormat, ObjectId};
use crate::git::pkt::{Pkt, text_of};

/// The section as far as it is read.
#[derive(Default)]
pub(super) struct Section {
    stage: Stage,
    shallow: Vec<ObjectId>,
    /// Of every id so far.
    format: Option<ObjectFormat>,
    commands: Vec<Command>,
    /// The names in lower case, to find two that are one.
    folded: Vec<String>,
    capabilities: Option<Capabilities>,
    style: Option<ReportStyle>,
    options: Vec<PushOption>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Commands,
    /// After a flush with nothing before it.
    Probe,
    Options,
    Complete,
}

impl Section {
    pub(super) fn take(&mut self, pkt: Pkt<'_>) -> Result<(), BadPush> {
        match (self.stage, pkt) {
            (Stage::Commands, Pkt::Line(data)) => self.take_command_line(data),
            (Stage::Options, Pkt::Line(data)) => self.take_option(text_of(data)),
            (Stage::Commands, Pkt::Flush) => {
                self.stage = match &self.capabilities {
                    None if !self.shallow.is_empty() => return Err(BadPush::Shallow),
                    None => Stage::Probe,
                    Some(capabilities) if capabilities.push_options => Stage::Options,
                    Some(_) => Stage::Complete,
                };
                Ok(())
            }
            (Stage::Options, Pkt::Flush) => {
                self.stage = Stage::Complete;
                Ok(())
            }
            (Stage::Probe | Stage::Complete, _) => Err(BadPush::AfterProbe),
            (_, Pkt::Delim | Pkt::ResponseEnd) => Err(BadPush::Boundary),
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.stage == Stage::Complete
    }

    pub(super) fn is_probe(&self) -> bool {
        self.stage == Stage::Probe
    }

    pub(super) fn answerable(&self) -> Option<ReportStyle> {
        self.style
    }

    pub(super) fn commands(&self) -> &[Command] {
        &self.commands
    }

    pub(super) fn into_push(self) -> Option<Push> {
        let is_over = self.is_complete() || self.is_probe();
        is_over.then(|| Push {
            commands: self.commands,
            capabilities: self.capabilities.unwrap_or_default(),
            options: self.options,
            shallow: self.shallow,
        })
    }

    fn take_command_line(&mut self, data: &[u8]) -> Result<(), BadPush> {
        let mut parts = text_of(data).splitn(2, |&byte| byte == 0);
        let command = parts.next().unwrap_or_default();
        let list = parts.next();
        if self.capabilities.is_none() {
            // Before anything can be refused: how to say so.
            self.style = list.and_then(Capabilities::peek_style).or(self.style);
        }
        if command.starts_with(b"push-cert") {
            return Err(BadPush::Signed);
        }
        if let Some(id) = command.strip_prefix(b"shallow ") {
            return self.take_shallow(id, list.is_some());
        }
        if self.commands.len() >= COMMANDS_MAX {
            return Err(BadPush::TooManyCommands);
        }
        let command = Command::parse(command)?;
        self.take_format(&command.old)?;
        self.take_format(&command.new)?;
        let folded = command.reference.as_str().to_ascii_lowercase();
        if self.folded.contains(&folded) {
            return Err(BadPush::SameRef);
        }
        self.folded.push(folded);
        self.commands.push(command);
        self.take_capabilities(list)
    }

    fn take_shallow(&mut self, id: &[u8], has_list: bool) -> Result<(), BadPush> {
        if has_list || self.capabilities.is_some() {
            return Err(BadPush::Shallow);
        }
        if self.shallow.len() >= SHALLOW_MAX {
            return Err(BadPush::TooManyShallow);
        }
        let id = ObjectId::parse(id)?;
        self.take_format(&id)?;
        self.shallow.push(id);
        Ok(())
    }

    fn take_format(&mut self, id: &ObjectId) -> Result<(), BadPush> {
        let format = *self.format.get_or_insert(id.format());
        if format == id.format() { Ok(()) } else { Err(BadPush::MixedFormats) }
    }

    /// The list comes with the first command or not at all.
    fn take_capabilities(&mut self, list: Option<&[u8]>) -> Result<(), BadPush> {
        if self.capabilities.is_some() {
            return match list {
                Some(_) => Err(BadPush::Capability(BadCapability::Repeated)),
                None => Ok(()),
            };
        }
        let capabilities = Capabilities::parse(list.unwrap_or_default())?;
        if self.format != Some(capabilities.object_format) {
            return Err(BadPush::MixedFormats);
        }
        self.capabilities = Some(capabilities);
        Ok(())
    }

    fn take_option(&mut self, text: &[u8]) -> Result<(), BadPush> {
        if self.options.len() >= OPTIONS_MAX {
            return Err(BadPush::TooManyOptions);
        }
        self.options.push(PushOption::parse(text)?);
        Ok(())
    }
}
