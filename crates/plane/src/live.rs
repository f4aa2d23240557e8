//! What an open run holds in memory: its cancel flag, its interception authority, its launcher.
//!
//! None of it survives the server; a restart closes the run instead.

use marque_crypto::intercept::InterceptAuthority;
use marque_domain::{Digest, Id, Run};
use tokio_util::sync::CancellationToken;

use crate::caller::{ProcessKey, TerminalSession};

/// The living side of one run.
pub struct LiveRun {
    /// Which.
    pub run: Id<Run>,
    /// Signs the leaves of this run's intercepted hosts; its key never leaves memory.
    pub intercept: InterceptAuthority,
    /// The process that opened it. Whatever descends from it is inside the run.
    pub launcher: ProcessKey,
    /// The terminal it was opened from. While the run is open, that terminal's unlock is void.
    pub session: Option<TerminalSession>,
    pub(crate) secret_hash: Digest,
    cancel: CancellationToken,
}

impl LiveRun {
    pub(crate) fn new(
        run: Id<Run>,
        intercept: InterceptAuthority,
        (launcher, session): (ProcessKey, Option<TerminalSession>),
        secret_hash: Digest,
    ) -> Self {
        let cancel = CancellationToken::new();
        Self { run, intercept, launcher, session, secret_hash, cancel }
    }

    /// Whether the run was cut.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Resolves once the run is cut.
    pub async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }

    /// Cuts everything that runs under it. Called by the sequencer alone, once the closing entry
    /// is committed.
    pub(crate) fn cut(&self) {
        self.cancel.cancel();
    }
}
