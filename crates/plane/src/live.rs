//! What an open run holds in memory: its cancel flag, its interception authority, its launcher.
//!
//! None of it survives the server; a restart closes the run instead.

use std::sync::atomic::{AtomicBool, Ordering};

use marque_crypto::intercept::InterceptAuthority;
use marque_domain::{Digest, Id, Run};
use tokio_util::sync::CancellationToken;

use crate::caller::{ProcessKey, TerminalSession};

/// The living side of one run.
pub struct LiveRun {
    /// Which.
    pub run: Id<Run>,
    /// The run at the root of its tree: itself, or the first of its chain.
    pub root: Id<Run>,
    /// Signs the leaves of this run's intercepted hosts; its key never leaves memory.
    pub intercept: InterceptAuthority,
    /// The process that opened it. Whatever descends from it is inside the run.
    pub launcher: ProcessKey,
    /// The terminal a human opened it from. That terminal's unlock is void until the launcher says
    /// that no process of the run is left there.
    pub session: Option<TerminalSession>,
    pub(crate) secret_hash: Digest,
    cancel: CancellationToken,
    is_held: AtomicBool,
}

impl LiveRun {
    pub(crate) fn new(
        (run, root): (Id<Run>, Id<Run>),
        intercept: InterceptAuthority,
        (launcher, session): (ProcessKey, Option<TerminalSession>),
        secret_hash: Digest,
    ) -> Self {
        let cancel = CancellationToken::new();
        let is_held = AtomicBool::new(false);
        Self { run, root, intercept, launcher, session, secret_hash, cancel, is_held }
    }

    /// Whether the run was cut.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Resolves once the run is cut.
    pub async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }

    /// Takes the run's one hold; `false` if it is taken.
    pub(crate) fn take_hold(&self) -> bool {
        !self.is_held.swap(true, Ordering::AcqRel)
    }

    /// Whether its launcher ever took hold of it.
    pub fn was_held(&self) -> bool {
        self.is_held.load(Ordering::Acquire)
    }

    /// Cuts everything that runs under it. Called by the sequencer once the closing entry is
    /// committed; before that only where the log cannot be written, for taking authority away
    /// must not wait for it.
    pub(crate) fn cut(&self) {
        self.cancel.cancel();
    }
}
