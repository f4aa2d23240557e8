//! Anchors: what this launcher saw of the log, kept where the log's keeper does not write.
//!
//! One file for each log key, appended to with one write; `marque log verify` reads it.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use marque_plane::view::CheckpointView;
use marque_tlog::{Anchor, AnchoredLeaf, VerifierKey};

use crate::environment::Environment;
use crate::exit::{Exit, Failure};
use crate::place::{anchors_dir, private_dir};

/// The anchors of the log of that key: `NAME+ID` in the anchors directory, a slash in the name
/// written as `_`.
pub(crate) fn file(environment: &Environment, key: &VerifierKey) -> Result<PathBuf, Failure> {
    let id = u32::from_be_bytes(key.id());
    let name = format!("{}+{id:08x}", key.name()).replace('/', "_");
    Ok(anchors_dir(environment)?.join(name))
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
