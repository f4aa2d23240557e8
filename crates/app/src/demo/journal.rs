//! What the API of the demonstration writes down of each request: the other side of the story.
//!
//! Owns the shape of a line. Holds no credential, only what one hashes to.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use marque_domain::Digest;
use serde::{Deserialize, Serialize};

/// One request, as the API saw it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Line {
    /// Drawn for this request, and told only in its answer.
    pub(super) nonce: String,
    /// The method.
    pub(super) method: String,
    /// The path.
    pub(super) path: String,
    /// What followed the path's `?`.
    pub(super) query: Option<String>,
    /// Of the `authorization` it carried.
    pub(super) credential: Option<Digest>,
    /// Whether that was the right one.
    pub(super) is_right: bool,
    /// Of the body.
    pub(super) body: Digest,
}

/// A file of lines that is only ever appended to.
pub(super) struct Journal(Mutex<File>);

impl Journal {
    /// A new journal in that file.
    pub(super) fn create(path: &Path) -> std::io::Result<Self> {
        let file = OpenOptions::new().create_new(true).append(true).open(path)?;
        Ok(Self(Mutex::new(file)))
    }

    /// Writes one line, whole.
    pub(super) fn write(&self, line: &Line) -> std::io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(&text)
    }
}

/// Every line so far.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Line>> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}
