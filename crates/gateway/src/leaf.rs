//! TLS settings for intercepted hosts, signed by the authority of one run.
//!
//! Keeps the latest ones, within a bound, and none of a run that was cut. A tree of runs that asks
//! for more hosts than are kept takes the room of no other (threat 163). Nothing is written out.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use marque_crypto::CryptoError;
use marque_domain::{Id, Run, Timestamp};
use marque_plane::LiveRun;
use marque_wire::host::Host;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::NoServerSessionStorage;
use rustls_pki_types::PrivateKeyDer;
use thiserror::Error;

/// Most hosts whose leaves are kept, over all runs.
pub(crate) const KEPT_MAX: usize = 256;
/// A leaf this close to its end is made anew.
const MARGIN: Duration = Duration::from_secs(60);

/// Why no leaf can be made.
#[derive(Debug, Error)]
pub(crate) enum LeafError {
    #[error(transparent)]
    Authority(#[from] CryptoError),
    #[error("the run has no authority to intercept with")]
    NoAuthority,
    #[error("the certificate cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

/// Leaves by run and host.
pub(crate) struct Leaves {
    provider: Arc<CryptoProvider>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    leaves: HashMap<(Id<Run>, Host), Leaf>,
    uses: u64,
}

struct Leaf {
    config: Arc<ServerConfig>,
    ends: Timestamp,
    run: Weak<LiveRun>,
    /// The tree the run is of.
    root: Id<Run>,
    last_use: u64,
}

impl Leaves {
    /// An empty shelf.
    pub(crate) fn new(provider: Arc<CryptoProvider>) -> Self {
        Self { provider, kept: Mutex::default() }
    }

    /// How to speak as `host` to that run.
    pub(crate) fn config(
        &self,
        run: &Arc<LiveRun>,
        host: &Host,
        now: Timestamp,
    ) -> Result<Arc<ServerConfig>, LeafError> {
        let key = (run.run, host.clone());
        if let Some(config) = self.lock().find(&key, now) {
            return Ok(config);
        }
        // Signed outside the lock; two connections may both sign, and one is kept.
        let (config, ends) = self.sign(run, host, now)?;
        let config = Arc::new(config);
        self.lock().keep(key, run, ends, &config);
        Ok(config)
    }

    fn sign(
        &self,
        run: &LiveRun,
        host: &Host,
        now: Timestamp,
    ) -> Result<(ServerConfig, Timestamp), LeafError> {
        let authority = run.intercept.as_ref().ok_or(LeafError::NoAuthority)?;
        let leaf = authority.leaf(&certified(host), now)?;
        let key = PrivateKeyDer::Pkcs8(leaf.expose_key());
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(leaf.chain().to_vec(), key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Tickets are sealed by a key of this run and host, so none is good for another; nothing
        // is remembered here. Early data stays off: it could be replayed (RFC 8446 §8).
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
        Ok((config, leaf.ends()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn find(&mut self, key: &(Id<Run>, Host), now: Timestamp) -> Option<Arc<ServerConfig>> {
        self.uses += 1;
        let leaf = self.leaves.get_mut(key).filter(|leaf| now.plus(MARGIN) < leaf.ends)?;
        leaf.last_use = self.uses;
        Some(Arc::clone(&leaf.config))
    }

    fn keep(
        &mut self,
        key: (Id<Run>, Host),
        run: &Arc<LiveRun>,
        ends: Timestamp,
        config: &Arc<ServerConfig>,
    ) {
        self.leaves.retain(|_, leaf| leaf.run.upgrade().is_some_and(|live| !live.is_cancelled()));
        if self.leaves.len() >= KEPT_MAX {
            self.make_room();
        }
        let (root, run, config) = (run.root, Arc::downgrade(run), Arc::clone(config));
        self.leaves.insert(key, Leaf { config, ends, run, root, last_use: self.uses });
    }

    /// Drops the leaf that the tree with most of them used longest ago.
    fn make_room(&mut self) {
        let mut held: HashMap<Id<Run>, usize> = HashMap::new();
        for leaf in self.leaves.values() {
            *held.entry(leaf.root).or_default() += 1;
        }
        let of_tree = |leaf: &Leaf| held.get(&leaf.root).copied().unwrap_or_default();
        let order = |leaf: &Leaf| (Reverse(of_tree(leaf)), leaf.last_use);
        let first = self.leaves.iter().min_by_key(|(_, leaf)| order(leaf));
        let first = first.map(|(key, _)| key.clone());
        first.and_then(|key| self.leaves.remove(&key));
    }
}

/// The host as a certificate names it: an address without brackets.
fn certified(host: &Host) -> String {
    match host {
        Host::Address(IpAddr::V6(address)) => address.to_string(),
        other => other.to_string(),
    }
}
