//! What the hosts of the demonstration write down of each request: the other side of the story.
//!
//! Owns the shape of a line. Holds no credential, only what one hashes to.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use marque_domain::Digest;
use serde::de::DeserializeOwned;
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

/// One request, as the git host saw it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct GitLine {
    /// Drawn for this request, and told only in its answer.
    pub(super) nonce: String,
    /// The method.
    pub(super) method: String,
    /// The path.
    pub(super) path: String,
    /// What followed the path's `?`.
    pub(super) query: Option<String>,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub(super) protocol: String,
    /// Of the `authorization` it carried.
    pub(super) credential: Option<Digest>,
    /// Whether that was the right one.
    pub(super) is_right: bool,
    /// What a push asked for.
    pub(super) updates: Vec<Update>,
}

/// What a push asked for one ref.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Update {
    /// The object it is believed to name; zeros for a ref to be made.
    pub(super) old: String,
    /// The object it shall name; zeros for a ref to be deleted.
    pub(super) new: String,
    /// Its full name.
    #[serde(rename = "ref")]
    pub(super) name: String,
}

impl Line {
    /// What it did, as Marque's log would say it.
    pub(super) fn effect(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

impl GitLine {
    /// The repository it is about.
    pub(super) fn repository(&self) -> &str {
        let ends = ["/info/refs", "/git-upload-pack", "/git-receive-pack"];
        let path = ends.iter().find_map(|end| self.path.strip_suffix(end)).unwrap_or(&self.path);
        path.trim_start_matches('/').trim_end_matches(".git")
    }

    /// Whether it may change something.
    pub(super) fn is_push(&self) -> bool {
        self.method == "POST" && self.path.ends_with("/git-receive-pack")
    }

    /// What it did, as Marque's log would say it.
    pub(super) fn effect(&self) -> String {
        let repository = self.repository();
        if !self.is_push() {
            return format!("repo.read {repository}");
        }
        let effects = self.updates.iter().map(|update| {
            let deletes = update.new.bytes().all(|digit| digit == b'0');
            let name = if deletes { "git.delete" } else { "git.push" };
            format!("{name} {repository} {}", update.name)
        });
        effects.collect::<Vec<_>>().join(", ")
    }
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
    pub(super) fn write(&self, line: &impl Serialize) -> std::io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(&text)
    }
}

/// Every line so far.
pub(super) fn read<L: DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<L>> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}
