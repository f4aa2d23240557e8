//! What an open run holds in memory: its cancel flag, its interception authority, its launcher.
//!
//! Where servers share a store each of them has a living side of every run, made of what the one
//! that opened it kept. Of a captured run it is kept everywhere, for such a run may outlive its
//! server: see `returning.rs`.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marque_crypto::intercept::InterceptAuthority;
use marque_crypto::seal::{self, Binding, KeyManager, Sealed};
use marque_crypto::{CryptoError, Random};
use marque_domain::{Credential, Digest, Id, Revised, Run, Slot};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::broker::Injection;
use crate::caller::{Peer, ProcessKey, TerminalSession};
use crate::log_key::LogSigner;
use crate::oauth::Hashed;

/// The table a sealed authority is bound to.
const LIVE_TABLE: &str = "live";

/// Most doors a run may hand over to one server.
const MAX_DOORS: usize = 128;
/// Most credentials of a run that are remembered as given, as many as answers are searched for.
pub(crate) const GIVEN_MAX: usize = 64;

/// The living side of one run.
pub struct LiveRun {
    /// Which.
    pub run: Id<Run>,
    /// The run at the root of its tree: itself, or the first of its chain.
    pub root: Id<Run>,
    /// Signs the leaves of this run's intercepted hosts; its key leaves memory only sealed.
    /// None of a run that no process of this machine holds: it has no door here.
    pub intercept: Option<InterceptAuthority>,
    /// The process that opened it. Whatever descends from it is inside the run.
    pub launcher: Option<ProcessKey>,
    /// The terminal a human opened it from. That terminal's unlock is void until the launcher says
    /// that no process of the run is left there.
    pub session: Option<TerminalSession>,
    /// The server that opened it, where servers share a store.
    pub(crate) home: Arc<str>,
    pub(crate) secret_hash: Digest,
    kept: Option<Box<KeptLive>>,
    /// Made of what was kept.
    is_remade: bool,
    given_before: Arc<[Given]>,
    searched: OnceLock<Vec<Injection>>,
    cancel: CancellationToken,
    is_held: AtomicBool,
    doors: AtomicUsize,
    /// What its tokens say of it.
    pub(crate) hashed: Hashed,
}

/// What a run is born with.
pub(crate) struct Birth {
    pub(crate) run: Id<Run>,
    pub(crate) root: Id<Run>,
    pub(crate) launcher: Option<ProcessKey>,
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

/// A credential that calls of a run were given, as it was sealed then: the store may have another
/// by now, and answers are searched for this one all the same.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Given {
    pub(crate) credential: Id<Credential>,
    pub(crate) revision: u64,
    pub(crate) slot: Slot,
    /// In base64.
    pub(crate) sealed: String,
}

impl Given {
    pub(crate) fn new(credential: &Revised<Credential>, slot: &Slot, sealed: &Sealed) -> Self {
        Self {
            credential: credential.fact.id,
            revision: credential.revision,
            slot: slot.clone(),
            sealed: STANDARD.encode(sealed.to_bytes()),
        }
    }

    /// Whether it is that revision, in that slot.
    pub(crate) fn is_of(&self, credential: &Revised<Credential>, slot: &Slot) -> bool {
        self.credential == credential.fact.id
            && self.revision == credential.revision
            && self.slot == *slot
    }
}

/// The living side of a run as it is kept.
#[derive(Clone, Serialize, Deserialize)]
struct KeptLive {
    root: Id<Run>,
    home: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    launcher: Option<ProcessKey>,
    session: Option<TerminalSession>,
    secret_hash: Digest,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    intercept: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    given: Vec<Given>,
}

impl LiveRun {
    /// Of a run that only this server knows.
    pub(crate) fn new(birth: Birth, intercept: Option<InterceptAuthority>, home: Arc<str>) -> Self {
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
            is_remade: false,
            given_before: Arc::default(),
            searched: OnceLock::new(),
            cancel: CancellationToken::new(),
            is_held: AtomicBool::new(false),
            doors: AtomicUsize::new(0),
            hashed: Hashed::default(),
        }
    }

    /// The same with what a later or another server can make it of. The authority in it is sealed.
    pub(crate) fn for_kin(self, kin: &Kin, random: &dyn Random) -> Result<Self, CryptoError> {
        let row = self.run.to_string();
        let binding = Binding { table: LIVE_TABLE, row: &row, revision: 1 };
        let intercept = match &self.intercept {
            Some(intercept) => {
                let exposed = intercept.expose()?;
                let sealed = seal::seal(&*kin.key_manager, random, &binding, &exposed)?;
                STANDARD.encode(sealed.to_bytes())
            }
            None => String::new(),
        };
        let kept = KeptLive {
            root: self.root,
            home: self.home.to_string(),
            launcher: self.launcher,
            session: self.session,
            secret_hash: self.secret_hash,
            intercept,
            given: Vec::new(),
        };
        Ok(Self { kept: Some(Box::new(kept)), ..self })
    }

    /// What an earlier or another server made of a run with [`LiveRun::for_kin`].
    pub(crate) fn of_kin(run: Id<Run>, text: &str, kin: &Kin) -> Result<Self, String> {
        let mut kept: KeptLive = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let intercept = match kept.intercept.as_str() {
            "" => None,
            sealed => Some(open_authority(run, sealed, kin)?),
        };
        let given_before = std::mem::take(&mut kept.given).into();
        let KeptLive { root, launcher, session, secret_hash, .. } = kept;
        let birth = Birth { run, root, launcher, session, secret_hash };
        let home = kept.home.as_str().into();
        let new = Self::new(birth, intercept, home);
        Ok(Self { kept: Some(Box::new(kept)), is_remade: true, given_before, ..new })
    }

    /// The text that [`LiveRun::of_kin`] makes it of, if it is kept.
    pub(crate) fn kept(&self, given: &[Given]) -> Option<String> {
        let kept = KeptLive { given: given.to_vec(), ..self.kept.as_deref()?.clone() };
        serde_json::to_string(&kept).ok()
    }

    /// Whether it is kept.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// What calls of the run were given before this server knew it.
    pub(crate) fn given_before(&self) -> &Arc<[Given]> {
        &self.given_before
    }

    /// Whether a process is inside the run, by descent from its launcher.
    pub(crate) fn holds(&self, peer: &Peer) -> bool {
        self.launcher.as_ref().is_some_and(|launcher| peer.is_inside(launcher))
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

    /// Whether its launcher took hold of it at this server.
    pub fn was_held(&self) -> bool {
        self.is_held.load(Ordering::Acquire)
    }

    /// The same, opened for searching answers and for nothing else; nothing before the first permit
    /// of the run here was used.
    pub fn searched(&self) -> &[Injection] {
        self.searched.get().map_or(&[], |searched| searched)
    }

    /// Sets that, once.
    pub(crate) fn search(&self, given: Vec<Injection>) {
        // Whoever was first opened the same.
        let _same = self.searched.set(given);
    }

    /// Whether an earlier server of that name opened it, and its launcher has not come since.
    /// Nobody comes for a run without one.
    pub(crate) fn is_awaited(&self, replica: &str) -> bool {
        self.launcher.is_some() && self.is_remade && *self.home == *replica && !self.was_held()
    }

    /// Cuts everything that runs under it. Called by the sequencer once the closing entry is
    /// committed; before that only where the log cannot be written, for taking authority away
    /// must not wait for it.
    pub(crate) fn cut(&self) {
        self.cancel.cancel();
    }
}

#[expect(clippy::disallowed_methods, reason = "what it opens is an authority, no credential")]
fn open_authority(run: Id<Run>, sealed: &str, kin: &Kin) -> Result<InterceptAuthority, String> {
    let sealed = STANDARD.decode(sealed).map_err(|error| error.to_string())?;
    let sealed = Sealed::from_bytes(&sealed).map_err(|error| error.to_string())?;
    let row = run.to_string();
    let binding = Binding { table: LIVE_TABLE, row: &row, revision: 1 };
    let exposed = seal::open(&*kin.key_manager, &binding, &sealed);
    let exposed = exposed.map_err(|error| error.to_string())?;
    InterceptAuthority::restore(&exposed).map_err(|error| error.to_string())
}
