//! What this server saw of its log, kept beside the store: a store that is put back from a backup
//! does not bring it back with it.
//!
//! Where the whole data directory was put back, the anchors that launchers keep outside it know
//! more; the newest of them counts the same way.

use std::io;
use std::path::{Path, PathBuf};

use marque_crypto::sign::LogPublicKey;
use marque_domain::Digest;
use marque_plane::Seen;
use marque_store::Store;
use marque_tlog::VerifierKey;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::launch::anchor;
use crate::place::replace_private;

/// Most bytes the file may have.
const MAX_BYTES: u64 = 4_096;

/// What is remembered of a log outside its store.
pub(crate) struct Memory {
    path: PathBuf,
    kept: Option<Kept>,
    /// The newest anchor at the start.
    anchor: Option<Anchored>,
    has_failed: bool,
}

/// What the file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    seen: Seen,
    /// The newest anchor that the store was held against: it does not count again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anchor: Option<Anchored>,
}

/// What a launcher saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Anchored {
    size: u64,
    root: Digest,
}

impl Memory {
    /// What is remembered of the log of this data directory, which is in that store and signed with
    /// that key.
    pub(crate) fn load(
        context: &Context,
        store: &Store,
        key: LogPublicKey,
    ) -> Result<Self, Failure> {
        let path = context.data.seen();
        let kept = read(&path)?;
        let name = store.read("log.name", marque_plane::log_name)?;
        let key = name.map(|name| VerifierKey::new(name, key));
        let newest = key.and_then(|key| anchor::newest(&context.environment, &key));
        let anchor = newest.map(|seen| Anchored { size: seen.size, root: seen.root });
        Ok(Self { path, kept, anchor, has_failed: false })
    }

    /// Everything a store must go on from.
    pub(crate) fn witnesses(&self) -> Vec<Seen> {
        let kept = self.kept;
        let restored = kept.map_or(0, |kept| kept.seen.restored);
        let news = self.anchor.filter(|anchor| kept.and_then(|kept| kept.anchor) != Some(*anchor));
        // Launchers here speak with this server, so they know of no fewer restorations than it did.
        let news = news.map(|Anchored { size, root }| Seen { restored, size, root });
        kept.map(|kept| kept.seen).into_iter().chain(news).collect()
    }

    /// Remembers a store that was taken. Writes nothing if nothing is new.
    pub(crate) fn keep(&mut self, seen: Seen) -> io::Result<()> {
        let kept = Kept { seen, anchor: self.anchor };
        if self.kept == Some(kept) {
            return Ok(());
        }
        replace_private(&self.path, &format!("{}\n", serde_json::to_string(&kept)?))?;
        self.kept = Some(kept);
        Ok(())
    }

    /// The same where there is nobody to fail to; says once that it does not work.
    pub(crate) fn keep_or_warn(&mut self, seen: Seen) {
        let failed = self.keep(seen).err();
        if let Some(error) = failed.as_ref().filter(|_| !self.has_failed) {
            let path = self.path.display();
            tracing::warn!(%error, %path, "what was seen of the log is not kept");
        }
        self.has_failed = failed.is_some();
    }

    /// The file, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn read(path: &Path) -> Result<Option<Kept>, Failure> {
    let failed = |why: &str| {
        Failure::new(Exit::Failed, format!("cannot read `{}`: {why}", path.display())).hint(
            "it says whether the store is an older copy; if it is damaged, remove it and run \
             `marque store restored`, which turns off what may have been revoked",
        )
    };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&error.to_string())),
        Ok(found) if found.len() > MAX_BYTES => return Err(failed("it is too long")),
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error.to_string()))?;
    serde_json::from_str(&text).map(Some).map_err(|error| failed(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use marque_domain::Digest;
    use marque_plane::Seen;

    use super::{Anchored, Kept, Memory, read};
    use crate::place::replace_private;

    fn seen(restored: u64, size: u64) -> Seen {
        Seen { restored, size, root: Digest::from_bytes([1; 32]) }
    }

    fn anchored(size: u64) -> Anchored {
        Anchored { size, root: Digest::from_bytes([2; 32]) }
    }

    fn memory(kept: Option<Kept>, anchor: Option<Anchored>) -> Memory {
        Memory { path: "seen".into(), kept, anchor, has_failed: false }
    }

    // threat 156
    #[test]
    fn the_newest_anchor_counts_once() {
        let kept = |anchor| Some(Kept { seen: seen(2, 10), anchor });
        let sizes = |memory: Memory| {
            let witnesses = memory.witnesses().into_iter();
            witnesses.map(|seen| (seen.restored, seen.size)).collect::<Vec<_>>()
        };
        assert_eq!(sizes(memory(None, None)), []);
        assert_eq!(sizes(memory(None, Some(anchored(50)))), [(0, 50)]);
        assert_eq!(sizes(memory(kept(None), Some(anchored(50)))), [(2, 10), (2, 50)]);
        assert_eq!(sizes(memory(kept(Some(anchored(50))), Some(anchored(50)))), [(2, 10)]);
        assert_eq!(sizes(memory(kept(Some(anchored(50))), None)), [(2, 10)]);
    }

    #[test]
    fn what_was_kept_is_read_and_what_is_damaged_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("seen");
        assert_eq!(read(&path).unwrap(), None);
        let mut memory = Memory { path: path.clone(), ..memory(None, Some(anchored(50))) };
        memory.keep(seen(1, 12)).unwrap();
        assert_eq!(read(&path).unwrap(), memory.kept);
        assert!(!directory.path().join("seen.new").exists());
        replace_private(&path, "{\"size\":12").unwrap();
        let refused = read(&path).unwrap_err();
        assert!(refused.hint.unwrap().contains("marque store restored"));
    }
}
