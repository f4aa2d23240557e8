//! Starting: from what the store holds to a plane that answers.
//!
//! Recovery is the normal path: what a crash left behind is settled by the same steps every
//! request takes, before anybody else can queue one.

use std::cell::RefCell;
use std::fmt::Display;
use std::sync::{Arc, OnceLock};

use marque_crypto::random;
use marque_crypto::seal::Sealed;
use marque_domain::{Digest, Revised, Run};
use marque_store::{Store, StoreError, Tx};
use marque_tlog::{Checkpoint, Frontier, HashSource, KeyChain, KeyName, VerifierKey};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::caller::{Decoy, Humans};
use crate::failure::Failure;
use crate::live::Kin;
use crate::log_key::{self, KeyRecords};
use crate::plane::{Inner, Parts, Plane, Settings};
use crate::sequence::{Beginning, Committer, Sequencer};
use crate::step::Step;
use crate::told::Kept;
use crate::world::{MeterKey, Policies, Shelved, World};
use crate::{reaper, replicas, verbs};

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
         the server that opened it"
    )]
    OtherKeys,
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
    /// Closes the runs an earlier server held, and marks acts whose outcome a crash swallowed as
    /// unknown, never guessing.
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
        let digest = marque_crypto::hash::sha256(parts.policies.canonical_text().as_bytes());
        let policies = Arc::new(Policies { set: Arc::clone(&parts.policies), digest });
        let kin = kin(&store, &parts);
        let records = log_key::settle(&store, &parts.log_key)?;
        let beginning = load(&store, policies, &kin)?;
        let size = beginning.head.size();
        let (clock, drawn) = (Arc::clone(&parts.clock), Arc::clone(&parts.random));
        let mut committer = Committer::new(store.writer()?, beginning, clock, drawn, kin.clone());
        let trust_domain = name_plane(&mut committer, &parts, settings.trust_domain.clone())?;
        let log_name: KeyName = format!("{trust_domain}/log").parse().map_err(|_| {
            StartError::Damaged(format!("`{trust_domain}` cannot be the name of a log"))
        })?;
        // ORDER: nothing is appended to a log that is not ours, or not whole (threat 151).
        let key = VerifierKey::new(log_name.clone(), parts.log_key.public());
        let keys = log_key::must_be_its_key(&records, &key, size)?;
        must_know_its_log(&store, &keys, size)?;
        let found = committer.commit_alone(settle)?;
        if found > 0 {
            tracing::warn!(intents = found, "acts without a known outcome were marked unknown");
        }
        let decoy = Arc::new(Decoy::new(parts.factor_cost));
        let plane = Self::from_inner(Inner {
            sequencer: sequencer(committer, &store)?,
            store,
            parts,
            settings,
            trust_domain,
            log_name,
            humans: Humans::new(Arc::clone(&decoy)),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            proxy: OnceLock::new(),
            kin,
            is_lost: watch::Sender::new(false),
            deposed: CancellationToken::new(),
        });
        plane.inner().tasks.spawn_blocking(move || decoy.prepare().is_some());
        reaper::start(&plane);
        if plane.inner().store.is_shared() {
            replicas::start(&plane);
        }
        Ok(plane)
    }
}

// Checkpoints signed by another key would read as a fork to whoever kept an older one.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method by itself is not general over the transaction's lifetime"
)]
fn must_know_its_log(store: &Store, keys: &KeyChain, size: u64) -> Result<(), StartError> {
    let latest = store.read("log.latest", |tx| tx.latest_checkpoint())?;
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
    let restored = store.read("log.head", |tx| {
        Ok(Frontier::restore(signed.size, &StoredHashes(RefCell::new(tx))))
    })?;
    match restored {
        Ok(head) if head.root() == signed.root => Ok(()),
        Ok(_) => damaged(format!(
            "the first {} entries of the log are not those that were signed; `marque log \
             verify` says which",
            signed.size
        )),
        Err(error) => damaged(error.0),
    }
}

// This server among those that share its store; without a name where it has it to itself.
fn kin(store: &Store, parts: &Parts) -> Kin {
    let replica = if store.is_shared() { store.replica() } else { "" };
    let (key_manager, signer) = (Arc::clone(&parts.key_manager), Arc::clone(&parts.log_key));
    Kin { replica: replica.into(), key_manager, signer }
}

fn load(store: &Store, policies: Arc<Policies>, kin: &Kin) -> Result<Beginning, StartError> {
    let loaded = store.read("start", |tx| {
        let mut world = World::empty(Arc::clone(&policies));
        put_all::<marque_domain::User>(tx, &mut world)?;
        put_all::<marque_domain::Agent>(tx, &mut world)?;
        put_all::<marque_domain::AgentVersion>(tx, &mut world)?;
        put_all::<marque_domain::Connection>(tx, &mut world)?;
        put_all::<marque_domain::Credential>(tx, &mut world)?;
        put_all::<marque_domain::Grant>(tx, &mut world)?;
        put_all::<Run>(tx, &mut world)?;
        put_all::<marque_domain::Approval>(tx, &mut world)?;
        let (sealed, meters) = (tx.all_sealed()?, tx.meters()?);
        let told = tx.last_told()?;
        let kept = tx.all_kept()?;
        remember_closed(tx, &mut world, &kept)?;
        world.log_key = KeyRecords::read(tx)?.in_force();
        let size = tx.log_size()?;
        let head = Frontier::restore(size, &StoredHashes(RefCell::new(tx)));
        Ok((world, sealed, (meters, kept), head, told))
    })?;
    let (mut world, sealed, (meters, kept), head, told) = loaded;
    for (key, meter) in meters {
        let of_whom = MeterKey::of_kept(&key)
            .ok_or_else(|| StartError::Damaged(format!("nobody has the meter `{key}`")))?;
        world.set_meter(of_whom, meter);
    }
    // Where servers share the store, this has every meter, those above too.
    for (key, body) in kept {
        world.keep(&key, Some(&body), kin)?;
    }
    for one in sealed {
        let bytes = Sealed::from_bytes(&one.bytes)
            .map_err(|error| StartError::Damaged(format!("{}: {error}", one.credential)))?;
        if world.credentials.revision(one.credential) == one.revision {
            world.seal(one.credential, Arc::new(bytes));
        }
    }
    let head = head.map_err(|error| StartError::Damaged(error.0))?;
    Ok(Beginning { world, head, told })
}

// A run that was closed a while ago has a living side until it is forgotten, so that its refusals
// can say why.
fn remember_closed(
    tx: &mut Tx<'_>,
    world: &mut World,
    kept: &[(String, String)],
) -> Result<(), StoreError> {
    for (key, _) in kept {
        if let Ok(Kept::Live(run)) = key.parse()
            && world.runs.get(run).is_none()
            && let Some(closed) = tx.get(run)?
        {
            Run::place(world, Arc::new(closed));
        }
    }
    Ok(())
}

fn put_all<T: Shelved>(tx: &mut Tx<'_>, world: &mut World) -> Result<(), StoreError> {
    for revised in tx.all::<T>()? {
        let revised: Revised<T> = revised;
        T::place(world, Arc::new(revised));
    }
    Ok(())
}

// The plane's name stands in SPIFFE ids and checkpoints; it is drawn once and never changes.
fn name_plane(
    committer: &mut Committer,
    parts: &Parts,
    wanted: Option<String>,
) -> Result<String, StartError> {
    let drawn = u64::from_be_bytes(random::bytes(&*parts.random));
    let name = wanted.clone().unwrap_or_else(|| format!("plane-{drawn:016x}.marque.local"));
    must_be_a_name(&name)?;
    // Servers with other keys could neither sign this log nor open its credentials. The first start
    // says which keys they are, before the claim does: two may start on one empty database.
    let own_keys = keys_word(&parts.log_key.digest(), parts.key_manager.id());
    let keys = own_keys.clone();
    let (stored, stored_keys) = committer.commit_alone(move |step| {
        let name = first_word(step, TRUST_DOMAIN, &name)?;
        Ok::<_, Failure>((name, first_word(step, KEYS, &keys)?))
    })?;
    if stored_keys != own_keys {
        return Err(StartError::OtherKeys);
    }
    match wanted {
        Some(wanted) if wanted != stored => Err(StartError::OtherTrustDomain { stored, wanted }),
        _ => Ok(stored),
    }
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
    replicas::close_behind(step, own.as_deref(), &taken)?;
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
