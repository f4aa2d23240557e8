//! What an open run holds in memory: its cancel flag, its interception authority, its launcher.
//!
//! Where a server has its store to itself none of it survives: a restart closes the run. Where
//! servers share a store each of them has a living side of every run, made of what the one that
//! opened it kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marque_crypto::intercept::InterceptAuthority;
use marque_crypto::seal::{self, Binding, KeyManager, Sealed};
use marque_crypto::{CryptoError, Random};
use marque_domain::{Digest, Id, Run};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::caller::{ProcessKey, TerminalSession};
use crate::log_key::LogSigner;

/// The table a sealed authority is bound to.
const LIVE_TABLE: &str = "live";

/// Most doors a run may hand over in its life.
const MAX_DOORS: usize = 128;

/// The living side of one run.
pub struct LiveRun {
    /// Which.
    pub run: Id<Run>,
    /// The run at the root of its tree: itself, or the first of its chain.
    pub root: Id<Run>,
    /// Signs the leaves of this run's intercepted hosts; its key leaves memory only sealed, and
    /// only where servers share a store.
    pub intercept: InterceptAuthority,
    /// The process that opened it. Whatever descends from it is inside the run.
    pub launcher: ProcessKey,
    /// The terminal a human opened it from. That terminal's unlock is void until the launcher says
    /// that no process of the run is left there.
    pub session: Option<TerminalSession>,
    /// The server that opened it, where servers share a store.
    pub(crate) home: Arc<str>,
    pub(crate) secret_hash: Digest,
    kept: Option<String>,
    cancel: CancellationToken,
    is_held: AtomicBool,
    doors: AtomicUsize,
}

/// What a run is born with.
pub(crate) struct Birth {
    pub(crate) run: Id<Run>,
    pub(crate) root: Id<Run>,
    pub(crate) launcher: ProcessKey,
    pub(crate) session: Option<TerminalSession>,
    pub(crate) secret_hash: Digest,
}

/// What makes this server one of several: its name, and the key they all have.
#[derive(Clone)]
pub(crate) struct Kin {
    /// This server's name. Empty where it has its store to itself.
    pub(crate) replica: Arc<str>,
    /// Opens what the others sealed.
    pub(crate) key_manager: Arc<dyn KeyManager>,
    /// Signs the log, as long as no other retires its key.
    pub(crate) signer: Arc<LogSigner>,
}

/// The living side of a run as it is kept.
#[derive(Serialize, Deserialize)]
struct KeptLive {
    root: Id<Run>,
    home: String,
    launcher: ProcessKey,
    session: Option<TerminalSession>,
    secret_hash: Digest,
    intercept: String,
}

impl LiveRun {
    /// Of a run that only this server knows.
    pub(crate) fn new(birth: Birth, intercept: InterceptAuthority, home: Arc<str>) -> Self {
        let Birth { run, root, launcher, session, secret_hash } = birth;
        Self {
            run,
            root,
            intercept,
            launcher,
            session,
            home,
            secret_hash,
            kept: None,
            cancel: CancellationToken::new(),
            is_held: AtomicBool::new(false),
            doors: AtomicUsize::new(0),
        }
    }

    /// The same with a text that another server can make it of. The authority in it is sealed.
    pub(crate) fn for_kin(self, kin: &Kin, random: &dyn Random) -> Result<Self, CryptoError> {
        let row = self.run.to_string();
        let binding = Binding { table: LIVE_TABLE, row: &row, revision: 1 };
        let exposed = self.intercept.expose()?;
        let sealed = seal::seal(&*kin.key_manager, random, &binding, &exposed)?;
        let kept = KeptLive {
            root: self.root,
            home: self.home.to_string(),
            launcher: self.launcher,
            session: self.session,
            secret_hash: self.secret_hash,
            intercept: STANDARD.encode(sealed.to_bytes()),
        };
        Ok(Self { kept: serde_json::to_string(&kept).ok(), ..self })
    }

    /// What another server made of a run with [`LiveRun::for_kin`].
    #[expect(clippy::disallowed_methods, reason = "what it opens is an authority, no credential")]
    pub(crate) fn of_kin(run: Id<Run>, text: &str, kin: &Kin) -> Result<Self, String> {
        let kept: KeptLive = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let sealed = STANDARD.decode(&kept.intercept).map_err(|error| error.to_string())?;
        let sealed = Sealed::from_bytes(&sealed).map_err(|error| error.to_string())?;
        let row = run.to_string();
        let binding = Binding { table: LIVE_TABLE, row: &row, revision: 1 };
        let exposed = seal::open(&*kin.key_manager, &binding, &sealed);
        let exposed = exposed.map_err(|error| error.to_string())?;
        let intercept = InterceptAuthority::restore(&exposed).map_err(|error| error.to_string())?;
        let KeptLive { root, home, launcher, session, secret_hash, .. } = kept;
        let birth = Birth { run, root, launcher, session, secret_hash };
        Ok(Self { kept: Some(text.to_owned()), ..Self::new(birth, intercept, home.into()) })
    }

    /// The text another server can make it of, if it has one.
    pub(crate) fn kept(&self) -> Option<&str> {
        self.kept.as_deref()
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

    /// Takes room for so many more doors of a captured run; `false` if that were too many. Room is
    /// not given back: doors live as long as their run.
    pub(crate) fn make_room(&self, more: usize) -> bool {
        let taken = self.doors.fetch_update(Ordering::AcqRel, Ordering::Acquire, |doors| {
            doors.checked_add(more).filter(|doors| *doors <= MAX_DOORS)
        });
        taken.is_ok()
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
