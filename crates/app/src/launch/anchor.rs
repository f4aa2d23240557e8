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
use crate::place::{anchors_dir, private_dir};

/// Most bytes that are read of a file of anchors, from its end.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The anchors of the log of that key: `NAME+ID` in the anchors directory, a slash in the name
/// written as `_`.
pub(crate) fn file(environment: &Environment, key: &VerifierKey) -> Result<PathBuf, Failure> {
    let id = u32::from_be_bytes(key.id());
    let name = format!("{}+{id:08x}", key.name()).replace('/', "_");
    Ok(anchors_dir(environment)?.join(name))
}

/// The newest checkpoint that launchers of this user kept of the log of that key, if there is one:
/// also under another key, which a copy from before its rotation does not know. What cannot be read
/// is no witness: others than the server write it.
pub(crate) fn newest(environment: &Environment, key: &VerifierKey) -> Option<Checkpoint> {
    let own = file(environment, key).ok()?;
    let stem = format!("{}+", key.name()).replace('/', "_");
    let files = std::fs::read_dir(anchors_dir(environment).ok()?).ok()?.filter_map(Result::ok);
    let files = files.filter(|file| file.file_name().to_string_lossy().starts_with(&stem));
    let newest = files.filter_map(|file| Some((file.metadata().ok()?.modified().ok()?, file)));
    let newest = newest.max_by_key(|(modified, _)| *modified)?.1.path();
    let mut kept = File::open(&newest).ok()?;
    let surplus = kept.metadata().ok()?.len().saturating_sub(MAX_BYTES);
    kept.seek(SeekFrom::Start(surplus)).ok()?;
    let mut bytes = Vec::new();
    kept.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    let signer = (newest == own).then_some(key);
    Anchor::newest(&String::from_utf8_lossy(&bytes), key.name(), signer)
}

/// Appends a checkpoint and the leaves of one run; the kernel writes it to disk within seconds, for
/// the log itself is there already, and a run's end waits for no second disk. Refuses a checkpoint
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
    kept.write_all(anchor.to_string().as_bytes()).map_err(failed)
}
