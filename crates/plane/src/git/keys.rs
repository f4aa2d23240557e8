//! The keys of commits: one in force, and the public halves of those before it.
//!
//! They lie in the store, the private half sealed, so that servers that share a store have one key,
//! and a plane from before there were any gets its first at its next start. What a rotation retires
//! keeps its public half, for what it signed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marque_crypto::git_key::{GitKey, GitPublicKey};
use marque_crypto::seal::{self, Binding, KeyManager, Sealed};
use marque_crypto::{CryptoError, Random};
use marque_domain::Timestamp;
use marque_store::Store;
use marque_wire::sshsig::{self, fingerprint, public_line};
use serde::{Deserialize, Serialize};

use crate::plane::Parts;
use crate::start::StartError;

/// Where the store keeps them: JSON, oldest first.
pub(crate) const SETTING: &str = "git_keys";
/// What the sealed half is bound to.
const TABLE: &str = "git_key";
/// Most keys a plane may have had.
pub(super) const KEYS_MAX: usize = 1_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One key, as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The public half, as OpenSSH writes it.
    pub(super) public: String,
    /// The private half; none of a key that was retired.
    sealed: Option<String>,
    /// When it was made.
    from: Timestamp,
    /// The entry that brought it into force; none of the first.
    since: Option<u64>,
    /// When it was retired.
    until: Option<Timestamp>,
    /// The entry that retired it.
    retired: Option<u64>,
}

/// Every key the plane has or had.
pub(crate) struct GitKeys {
    list: Vec<Kept>,
    publics: Vec<GitPublicKey>,
    current: GitKey,
}

/// Signs what runs commit, with the key the store names.
pub(crate) struct GitSigner {
    key_manager: Arc<dyn KeyManager>,
    held: Mutex<Held>,
}

struct Held {
    text: String,
    keys: Arc<GitKeys>,
}

/// One key, for people.
pub(crate) struct Shown {
    pub(crate) public: String,
    pub(crate) since: Option<u64>,
    pub(crate) retired: Option<u64>,
}

/// What a store says its keys are, or a first key that is in no store yet.
pub(crate) fn candidate(store: &Store, parts: &Parts) -> Result<String, StartError> {
    if let Some(stored) = store.read("start.git_keys", |tx| tx.setting(SETTING))? {
        return Ok(stored);
    }
    let first = Kept::new(parts, parts.clock.now()).map_err(|error| damaged(&error))?;
    Ok(print(&[first]))
}

fn damaged(error: &CryptoError) -> StartError {
    StartError::Damaged(format!("the key of commits cannot be used: {error}"))
}

impl GitSigner {
    /// Signs with the keys of a setting.
    pub(crate) fn new(text: String, key_manager: &Arc<dyn KeyManager>) -> Result<Self, StartError> {
        let keys = GitKeys::open(&text, &**key_manager).map_err(|error| damaged(&error))?;
        let held = Mutex::new(Held { text, keys: Arc::new(keys) });
        Ok(Self { key_manager: Arc::clone(key_manager), held })
    }

    /// The keys, as this server knows them.
    pub(crate) fn keys(&self) -> Arc<GitKeys> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&held.keys)
    }

    /// The keys of that text, which the store held a moment ago: another server may have rotated.
    pub(super) fn keys_of(&self, text: &str) -> Result<Arc<GitKeys>, CryptoError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.text != text {
            let keys = Arc::new(GitKeys::open(text, &*self.key_manager)?);
            *held = Held { text: text.to_owned(), keys };
        }
        Ok(Arc::clone(&held.keys))
    }
}

impl GitKeys {
    fn open(text: &str, key_manager: &dyn KeyManager) -> Result<Self, CryptoError> {
        let list = read(text)?;
        let last = list.last().ok_or(CryptoError::BadKey("list of keys of commits"))?;
        let current = last.open(key_manager)?;
        let publics = list.iter().map(Kept::public).collect::<Result<_, _>>()?;
        Ok(Self { list, publics, current })
    }

    /// One key that is kept nowhere.
    #[cfg(test)]
    pub(super) fn fresh() -> Self {
        let current = GitKey::generate(&marque_crypto::SystemRandom).unwrap();
        Self { list: Vec::new(), publics: vec![current.public().clone()], current }
    }

    /// The public half of the key in force.
    pub(crate) fn current(&self) -> &GitPublicKey {
        self.current.public()
    }

    /// The public halves of all it has or had.
    pub(super) fn publics(&self) -> &[GitPublicKey] {
        &self.publics
    }

    /// Signs for git, as `ssh-keygen -Y sign` would print it.
    pub(super) fn sign(&self, payload: &[u8]) -> String {
        let signature = self.current.sign(&sshsig::to_be_signed(sshsig::GIT, payload));
        sshsig::armor(self.current().as_bytes(), sshsig::GIT, &signature)
    }

    /// One line for each key. `ssh-keygen` reads a day by the reader's own clock, so each span is
    /// wider than it was by a day at both ends.
    pub(super) fn allowed_signers(&self, domain: &str) -> String {
        let line = |key: &Kept| {
            let after = format!(",valid-after=\"{}\"", day(key.from.minus(DAY)));
            let before = key.until.map(|until| day(until.plus(DAY).plus(DAY)));
            let before = before.map(|day| format!(",valid-before=\"{day}\"")).unwrap_or_default();
            format!("*@{domain} namespaces=\"git\"{after}{before} {}\n", key.public)
        };
        self.list.iter().map(line).collect()
    }

    /// For people, oldest first.
    pub(crate) fn shown(&self) -> impl Iterator<Item = Shown> {
        self.list.iter().map(|key| Shown {
            public: key.public.clone(),
            since: key.since,
            retired: key.retired,
        })
    }
}

impl Kept {
    /// A fresh key.
    pub(super) fn new(parts: &Parts, now: Timestamp) -> Result<Self, CryptoError> {
        let random: &dyn Random = &*parts.random;
        let key = GitKey::generate(random)?;
        let public = public_line(key.public().as_bytes());
        let binding = Binding { table: TABLE, row: &public, revision: 1 };
        let sealed = seal::seal(&*parts.key_manager, random, &binding, &key.expose())?;
        let sealed = Some(STANDARD.encode(sealed.to_bytes()));
        Ok(Self { public, sealed, from: now, since: None, until: None, retired: None })
    }

    /// It takes over with that entry.
    pub(super) fn take_over(mut self, now: Timestamp, index: u64) -> Self {
        self.from = now;
        self.since = Some(index);
        self
    }

    /// The next key takes over with that entry.
    pub(super) fn retire(&mut self, now: Timestamp, index: u64) {
        self.sealed = None;
        self.until = Some(now);
        self.retired = Some(index);
    }

    /// How `ssh-keygen -l` names it.
    pub(super) fn fingerprint(&self) -> String {
        sshsig::read_public_line(&self.public).map(|key| fingerprint(&key)).unwrap_or_default()
    }

    fn public(&self) -> Result<GitPublicKey, CryptoError> {
        let bytes = sshsig::read_public_line(&self.public);
        GitPublicKey::from_bytes(&bytes.map_err(|_| CryptoError::BadKey("key of commits"))?)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "what it opens is a key of commits, no credential"
    )]
    fn open(&self, key_manager: &dyn KeyManager) -> Result<GitKey, CryptoError> {
        let bad = || CryptoError::BadKey("sealed key of commits");
        let bytes = self.sealed.as_ref().and_then(|sealed| STANDARD.decode(sealed).ok());
        let sealed = Sealed::from_bytes(&bytes.ok_or_else(bad)?).map_err(|_| bad())?;
        let binding = Binding { table: TABLE, row: &self.public, revision: 1 };
        let key = GitKey::restore(&seal::open(key_manager, &binding, &sealed)?)?;
        if public_line(key.public().as_bytes()) == self.public { Ok(key) } else { Err(bad()) }
    }
}

// `YYYYMMDD`.
fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).filter(char::is_ascii_digit).collect()
}

/// The list of a setting.
pub(super) fn read(text: &str) -> Result<Vec<Kept>, CryptoError> {
    serde_json::from_str(text).map_err(|_| CryptoError::BadKey("list of keys of commits"))
}

/// The setting of a list.
pub(super) fn print(list: &[Kept]) -> String {
    serde_json::to_string(list).expect("INVARIANT: text and numbers have a form in JSON")
}
