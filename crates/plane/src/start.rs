//! Starting: from what the store holds to a plane that answers.
//!
//! Recovery is the normal path: what a crash left behind is settled by the same steps every
//! request takes, before anybody else can queue one.

mod load;

use std::cell::RefCell;
use std::fmt::Display;
use std::sync::{Arc, OnceLock};

use marque_crypto::random;
use marque_crypto::token_key::TokenAlgorithm;
use marque_domain::Digest;
use marque_store::{Store, StoreError, Tx};
use marque_tlog::{Checkpoint, HashSource, KeyChain, KeyName, VerifierKey};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::caller::{Decoy, Humans};
use crate::failure::Failure;
use crate::git::{self, GitSigner};
use crate::issuer_keys::{self, KeyFetches};
use crate::laps::StageTimes;
use crate::live::Kin;
use crate::log_key;
use crate::oauth::{LatestNonces, Polls, Rendered, SigningKey, TokenKeys, VerifiedTokens};
use crate::plane::{Inner, Parts, Plane, Settings};
use crate::replicas::Runs;
use crate::seen::{self, Gap};
use crate::sequence::{Beginning, Committer, Sequencer};
use crate::step::Step;
use crate::told::SPEAKS;
use crate::verbs::kill::Unrecorded;
use crate::world::Policies;
use crate::{reaper, replicas, returning, verbs};

const TRUST_DOMAIN: &str = "trust_domain";
/// Names the keys that belong to the store: the log's, and that of credentials.
pub(crate) const KEYS: &str = "keys";

/// The plane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store cannot be written.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// What the store holds does not fit together.
    #[error("the store is damaged: {0}; restore it from a backup")]
    Damaged(String),
    /// The store belongs to other keys.
    #[error("the log in this data directory was signed by another key than `keys/log`: {0}")]
    OtherLogKey(String),
    /// The key was rotated, and this server still has the one before.
    #[error(
        "the log's key was rotated by entry {index}, and `keys/log` is one from before: copy the \
         folder `keys` from the server that rotated it"
    )]
    RetiredLogKey {
        /// The entry that retired it.
        index: u64,
    },
    /// A rotation that was broken off can be neither finished nor undone.
    #[error("a rotation of the log's key was broken off, and cannot be settled: {0}")]
    LogKeyFile(marque_crypto::CryptoError),
    /// The store was first opened with other keys.
    #[error(
        "this store was first opened with other keys than those in `keys`: copy that folder from \
         the server that opened it; a copy from before the log's key was rotated needs the `keys` \
         of its time"
    )]
    OtherKeys,
    /// The store does not go on from what was seen of it before: revocations may be missing in it.
    #[error(transparent)]
    Gap(Gap),
    /// A server of a release too far from this one's serves the same store.
    #[error(
        "the server `{name}` (marque {release}) serves this store and tells what it does in format \
         {speaks}, this one in format {SPEAKS}: go from release to release, none left out"
    )]
    TooFarApart {
        /// What it is called.
        name: String,
        /// Its release.
        release: String,
        /// Its format of the feed.
        speaks: u64,
    },
    /// An older copy of the store is taken only while nobody serves it.
    #[error("the server `{0}` runs on this store: stop it first")]
    StillServed(String),
    /// A plane that nobody has claimed has nothing to take away.
    #[error("nobody has claimed this plane, so there is nothing to restore")]
    NothingToRestore,
    /// The configured name cannot be a trust domain.
    #[error("`{0}` is not a trust domain: use `a`-`z`, `0`-`9`, `.`, `-` and `_`")]
    BadTrustDomain(String),
    /// The configured name is not the one this plane was made with.
    #[error(
        "this plane is called `{stored}` and cannot become `{wanted}`: its agents' names stand in \
         other systems; remove `trust_domain` from the configuration, or start on a new data \
         directory"
    )]
    OtherTrustDomain {
        /// The name it has.
        stored: String,
        /// The name in the configuration.
        wanted: String,
    },
}

impl Plane {
    /// Starts a plane on a store. Must be called inside a Tokio runtime.
    ///
    /// Closes the runs an earlier server held, but for those whose launchers may come back, and
    /// marks acts whose outcome a crash swallowed as unknown, never guessing.
    pub fn start(store: Store, parts: Parts, settings: Settings) -> Result<Self, StartError> {
        Self::start_as(store, parts, settings, Sequencer::on_threads)
    }

    /// As [`Plane::start`], but every change commits in the thread that asks for it, so that a
    /// seed replays. For stores in memory.
    pub fn start_inline(
        store: Store,
        parts: Parts,
        settings: Settings,
    ) -> Result<Self, StartError> {
        Self::start_as(store, parts, settings, |committer, _| Ok(Sequencer::inline(committer)))
    }

    fn start_as(
        store: Store,
        parts: Parts,
        settings: Settings,
        sequencer: impl FnOnce(Committer, &Store) -> Result<Sequencer, Failure>,
    ) -> Result<Self, StartError> {
        let Begun { mut committer, kin, trust_domain, git, log_name, restored } =
            Begun::on(&store, &parts, settings.trust_domain.clone())?;
        // ORDER: nor to an older copy of it (threat 156).
        seen::must_go_on(&store, &parts.seen, committer.size())?;
        parts.log_key.discard().map_err(StartError::LogKeyFile)?;
        if store.is_shared() {
            committer.commit_alone(replicas::introduce)?;
        }
        let found = committer.commit_alone(settle)?;
        if found > 0 {
            tracing::warn!(intents = found, "acts without a known outcome were marked unknown");
        }
        if settings.oauth.is_some() {
            have_token_key(&mut committer, &parts)?;
        }
        let awaits_until = parts.clock.elapsed().saturating_add(returning::GRACE);
        let decoy = Arc::new(Decoy::new(parts.factor_cost));
        let plane = Self::from_inner(Inner {
            sequencer: sequencer(committer, &store)?,
            store,
            parts,
            settings,
            trust_domain,
            git,
            log_name,
            humans: Humans::new(Arc::clone(&decoy)),
            tasks: TaskTracker::new(),
            stages: StageTimes::new(),
            allowed: metrics::counter!("marque_decisions_total", "answer" => "allowed"),
            stopping: CancellationToken::new(),
            proxy: OnceLock::new(),
            kin,
            restored,
            awaits_until,
            is_lost: watch::Sender::new(false),
            deposed: CancellationToken::new(),
            asserted: Arc::default(),
            polls: Polls::default(),
            unrecorded: Unrecorded::default(),
            verified: VerifiedTokens::default(),
            rendered: Rendered::default(),
            nonces: LatestNonces::default(),
            key_fetches: KeyFetches::default(),
        });
        plane.inner().tasks.spawn_blocking(move || decoy.prepare().is_some());
        returning::sit_again(&plane);
        reaper::start(&plane);
        issuer_keys::start(&plane);
        if plane.inner().store.is_shared() {
            replicas::start(&plane);
        }
        Ok(plane)
    }
}

/// A plane whose store was read, and found to be its own and whole. Nothing was appended yet.
pub(crate) struct Begun {
    pub(crate) committer: Committer,
    kin: Kin,
    trust_domain: String,
    git: GitSigner,
    log_name: KeyName,
    /// How often an older copy of the store was taken.
    restored: u64,
}

impl Begun {
    /// Begins on a store that is open for writing.
    pub(crate) fn on(
        store: &Store,
        parts: &Parts,
        trust_domain: Option<String>,
    ) -> Result<Self, StartError> {
        let records = log_key::settle(store, &parts.log_key)?;
        let beginning = Self::look(store, parts)?;
        let size = beginning.head.size();
        let (clock, drawn) = (Arc::clone(&parts.clock), Arc::clone(&parts.random));
        let kin = kin(store, parts);
        let mut committer = Committer::new(store.writer()?, beginning, clock, drawn, kin.clone());
        let git_keys = git::candidate(store, parts)?;
        let (trust_domain, git_keys) = name_plane(&mut committer, parts, trust_domain, git_keys)?;
        let git = GitSigner::new(git_keys, &parts.key_manager)?;
        let log_name: KeyName = format!("{trust_domain}/log").parse().map_err(|_| {
            StartError::Damaged(format!("`{trust_domain}` cannot be the name of a log"))
        })?;
        // ORDER: nothing is appended to a log that is not ours, or not whole (threat 151).
        let key = VerifierKey::new(log_name.clone(), parts.log_key.public());
        let keys = log_key::must_be_its_key(&records, &key, size)?;
        must_know_its_log(store, &keys)?;
        let restored = seen::count(&store.read("start.restored", seen::restorations)?);
        Ok(Self { committer, kin, trust_domain, git, log_name, restored })
    }

    /// What a store holds.
    pub(crate) fn look(store: &Store, parts: &Parts) -> Result<Beginning, StartError> {
        let digest = marque_crypto::hash::sha256(parts.policies.canonical_text().as_bytes());
        let policies = Arc::new(Policies { set: Arc::clone(&parts.policies), digest });
        load::load(store, policies, &kin(store, parts))
    }
}

// The first key of tokens signs at once: nobody has cached an earlier set.
fn have_token_key(committer: &mut Committer, parts: &Parts) -> Result<(), StartError> {
    let sealing = (&*parts.key_manager, &*parts.random);
    let first = SigningKey::generate(TokenAlgorithm::Es256, sealing);
    let first = first.map_err(|error| StartError::Damaged(error.to_string()))?;
    committer.commit_alone(move |step| {
        if step.world.tokens.keys().is_none() {
            step.set_token_keys(TokenKeys::first(Arc::clone(&first), step.now));
        }
        Ok::<_, Failure>(())
    })?;
    Ok(())
}

// Checkpoints signed by another key would read as a fork to whoever kept an older one.
fn must_know_its_log(store: &Store, keys: &KeyChain) -> Result<(), StartError> {
    // Of one moment: another server that shares the store may append and sign meanwhile.
    let (latest, size) =
        store.read("log.latest", |tx| Ok((tx.latest_checkpoint()?, tx.log_size()?)))?;
    let Some(latest) = latest else { return Ok(()) };
    let opened = keys.open(&latest.note);
    let signed = opened.map_err(|error| StartError::OtherLogKey(error.to_string()))?;
    must_extend(store, &signed, size)
}

// A head that does not extend the last signed one would be a fork, signed by ourselves.
fn must_extend(store: &Store, signed: &Checkpoint, size: u64) -> Result<(), StartError> {
    let damaged = |what: String| Err(StartError::Damaged(what));
    if size < signed.size {
        let was = signed.size;
        return damaged(format!("the log has {size} entries, and {was} were signed before"));
    }
    if seen::root_of(store, signed.size)? == signed.root {
        return Ok(());
    }
    damaged(format!(
        "the first {} entries of the log are not those that were signed; `marque log verify` says \
         which",
        signed.size
    ))
}

// This server among those that share its store; without a name where it has it to itself.
fn kin(store: &Store, parts: &Parts) -> Kin {
    let replica = if store.is_shared() { store.replica() } else { "" };
    let (key_manager, signer) = (Arc::clone(&parts.key_manager), Arc::clone(&parts.log_key));
    Kin { replica: replica.into(), key_manager, signer }
}

// The plane's name stands in SPIFFE ids and checkpoints; it is drawn once and never changes.
fn name_plane(
    committer: &mut Committer,
    parts: &Parts,
    wanted: Option<String>,
    git_keys: String,
) -> Result<(String, String), StartError> {
    let drawn = u64::from_be_bytes(random::bytes(&*parts.random));
    let name = wanted.clone().unwrap_or_else(|| format!("plane-{drawn:016x}.marque.local"));
    must_be_a_name(&name)?;
    // Servers with other keys could neither sign this log nor open its credentials. The first start
    // says which keys they are, before the claim does: two may start on one empty database.
    let keys = own_keys(parts);
    let (stored, stored_keys, git_keys) = committer.commit_alone(move |step| {
        let name = first_word(step, TRUST_DOMAIN, &name)?;
        let keys = first_word(step, KEYS, &keys)?;
        Ok::<_, Failure>((name, keys, first_word(step, git::SETTING, &git_keys)?))
    })?;
    if stored_keys != own_keys(parts) {
        return Err(StartError::OtherKeys);
    }
    match wanted {
        Some(wanted) if wanted != stored => Err(StartError::OtherTrustDomain { stored, wanted }),
        _ => Ok((stored, git_keys)),
    }
}

/// Fails if a store names other keys than these.
pub(crate) fn must_be_its_keys(store: &Store, parts: &Parts) -> Result<(), StartError> {
    match store.read("start.keys", |tx| tx.setting(KEYS))? {
        Some(stored) if stored != own_keys(parts) => Err(StartError::OtherKeys),
        _ => Ok(()),
    }
}

/// What a store calls its log, once it was served.
pub fn log_name(tx: &mut Tx<'_>) -> Result<Option<KeyName>, StoreError> {
    Ok(tx.setting(TRUST_DOMAIN)?.and_then(|name| format!("{name}/log").parse().ok()))
}

fn own_keys(parts: &Parts) -> String {
    keys_word(&parts.log_key.digest(), parts.key_manager.id())
}

/// How the keys of a store are named in it.
pub(crate) fn keys_word(log_key: &Digest, key_encryption_key: impl Display) -> String {
    format!("{log_key} {key_encryption_key}")
}

// A setting that the first start makes and none changes.
fn first_word(step: &mut Step<'_, '_>, name: &str, word: &str) -> Result<String, Failure> {
    if let Some(stored) = step.tx.setting(name)? {
        return Ok(stored);
    }
    step.tx.put_setting(name, word)?;
    Ok(word.to_owned())
}

// SPIFFE-ID §2.1: a trust domain is lower-case letters, digits, dots, dashes and underscores.
fn must_be_a_name(name: &str) -> Result<(), StartError> {
    let is_part =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    if (1..=255).contains(&name.len()) && name.bytes().all(is_part) {
        return Ok(());
    }
    Err(StartError::BadTrustDomain(name.chars().take(80).collect()))
}

// Settles what the last server left behind, and says that this one started. Nothing is recorded
// before the claim.
fn settle(step: &mut Step<'_, '_>) -> Result<u64, Failure> {
    if step.head.size() == 0 {
        return Ok(0);
    }
    let own = (!step.replica.is_empty()).then(|| step.replica.to_owned());
    let mut taken = replicas::take_up(step, own.as_deref())?;
    if own.is_some() {
        // Of a server that had this store to itself, before it was moved here.
        taken.extend(replicas::take_up(step, Some(""))?);
    }
    verbs::claim::record_start(step, taken.len() as u64)?;
    replicas::close_behind(step, own.as_deref(), &taken, Runs::LeaveReturning)?;
    if own.is_none() {
        returning::tidy(step)?;
    }
    Ok(taken.len() as u64)
}

/// The store's hashes, as the tree wants to read them.
pub(crate) struct StoredHashes<'a, 'tx>(pub(crate) RefCell<&'a mut Tx<'tx>>);

/// A hash could not be read, or the tree does not fit.
pub(crate) struct BadHashes(pub(crate) String);

impl From<marque_tlog::Error> for BadHashes {
    fn from(error: marque_tlog::Error) -> Self {
        Self(error.to_string())
    }
}

impl HashSource for StoredHashes<'_, '_> {
    type Error = BadHashes;

    fn hashes(&self, level: u8, start: u64, count: usize) -> Result<Vec<Digest>, BadHashes> {
        let mut tx = self.0.borrow_mut();
        tx.hashes(level, start, count as u64).map_err(|error| BadHashes(error.to_string()))
    }
}
