//! Anchors: what this launcher saw of the log, kept where the log's keeper does not write.
//!
//! One file for each log key, appended to with one write; `marque log verify` reads it.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use marque_plane::view::CheckpointView;
use marque_tlog::{Anchor, AnchoredLeaf, Checkpoint, VerifierKey};

use crate::environment::Environment;
use crate::exit::{Exit, Failure};
use crate::place::{DataDir, anchors_dir, private_dir};

/// Most bytes that are read of a file of anchors, from its end.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The anchors of the log of that key: `NAME+ID` in the anchors directory, a slash in the name
/// written as `_`.
pub(crate) fn file(environment: &Environment, key: &VerifierKey) -> Result<PathBuf, Failure> {
    let id = u32::from_be_bytes(key.id());
    let name = format!("{}+{id:08x}", key.name()).replace('/', "_");
    Ok(anchors_dir(environment)?.join(name))
}

/// The newest checkpoint that launchers of this user kept of the log of that data directory, if
/// there is one. What cannot be read is no witness: others than the server write it.
pub(crate) fn newest(environment: &Environment, data: &DataDir) -> Option<Checkpoint> {
    let key: VerifierKey =
        std::fs::read_to_string(data.log_verifier()).ok()?.trim().parse().ok()?;
    let mut kept = File::open(file(environment, &key).ok()?).ok()?;
    let surplus = kept.metadata().ok()?.len().saturating_sub(MAX_BYTES);
    kept.seek(SeekFrom::Start(surplus)).ok()?;
    let mut bytes = Vec::new();
    kept.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    Anchor::newest(&String::from_utf8_lossy(&bytes), &key).map(|anchor| anchor.checkpoint().clone())
}

/// Appends a checkpoint and the leaves of one run, durable when this returns. Refuses a checkpoint
/// that `key` did not sign.
pub(crate) fn append(
    file: &Path,
    checkpoint: &CheckpointView,
    key: &VerifierKey,
) -> Result<(), Failure> {
    let leaves =
        checkpoint.leaves.iter().map(|(index, leaf)| AnchoredLeaf { index: *index, leaf: *leaf });
    let anchor =
        Anchor::new(&checkpoint.note, leaves.collect(), &key.clone().into()).map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("the server gave a checkpoint that is not its log's: {error}"),
            )
        })?;
    let failed = |error: std::io::Error| {
        Failure::new(
            Exit::Failed,
            format!("cannot keep the anchor in `{}`: {error}", file.display()),
        )
    };
    if let Some(parent) = file.parent().filter(|parent| !parent.exists()) {
        private_dir(parent)?;
    }
    let kept = OpenOptions::new().create(true).append(true).mode(0o600).open(file);
    let mut kept = kept.map_err(failed)?;
    kept.write_all(anchor.to_string().as_bytes()).map_err(failed)?;
    kept.sync_data().map_err(failed)
}
