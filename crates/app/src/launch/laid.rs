//! A file that is laid for a run.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One file, below a directory of the run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Laid {
    /// Its path below that directory.
    pub(crate) path: PathBuf,
    /// Its permissions.
    pub(crate) mode: u32,
    /// What is in it.
    pub(crate) text: String,
}
