//! Hearing that another server committed, on a connection that does nothing else.

use std::sync::Arc;
use std::time::Duration;

use super::dialect;
use super::failure::Failed;
use super::line::{Line, PATIENCE, cells};
use super::target::Target;
use crate::error::StoreError;
use crate::value::Row;

/// Hears when another server that shares the store has told something.
///
/// It is a hint, never the truth: what was told is in the feed, heard or not.
pub struct Listener {
    target: Arc<Target>,
    /// Whose own words are not news.
    replica: String,
    /// `None` after it broke.
    line: Option<Line>,
}

impl Listener {
    pub(crate) fn open(target: Arc<Target>, replica: &str) -> Result<Self, StoreError> {
        let mut listener = Self { target, replica: replica.to_owned(), line: None };
        listener.line = Some(listener.listen()?);
        Ok(listener)
    }

    /// Blocks until another server has told something or the time is up; `true` if one may have.
    ///
    /// It may also return `false` early, when this server itself has told something, and `true`
    /// without cause, after its connection was opened anew: then nobody knows what was missed. An
    /// error comes at once; the next call tries again, and when that is best the caller says.
    pub fn wait(&mut self, at_most: Duration) -> Result<bool, StoreError> {
        let Some(line) = &mut self.line else {
            self.line = Some(self.listen()?);
            return Ok(true);
        };
        line.hear(at_most).map_err(|failed| {
            self.line = None;
            failed.on_connecting(&self.target.place())
        })
    }

    fn listen(&self) -> Result<Line, StoreError> {
        let mut line = self.target.connect()?;
        self.subscribe(&mut line).map_err(|failed| failed.on_connecting(&self.target.place()))?;
        Ok(line)
    }

    fn subscribe(&self, line: &mut Line) -> Result<(), Failed> {
        line.ignore_words_of(&self.replica);
        line.script(dialect::LISTENER, PATIENCE)?;
        let rows = line.ask(dialect::CHANNEL, &[])?;
        let row = rows.first().map(cells).transpose().map_err(Failed::Refused)?.unwrap_or_default();
        // A word and hexadecimal digits: it can stand in a statement.
        let channel = Row(&row).text(0).map_err(Failed::Refused)?;
        line.script(&format!("LISTEN {channel}"), PATIENCE)
    }
}
