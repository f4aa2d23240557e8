//! A whole plane for one test, claimed by alice.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use marque_crypto::factor::Cost;
use marque_crypto::key_file::{self, KeyMaterial, Purpose};
use marque_crypto::machine::MachineHashKey;
use marque_crypto::seal::FileKeyManager;
use marque_crypto::sign::LogKey;
use marque_domain::{Decision, Id};
use marque_plane::view::CheckpointView;
use marque_plane::{LogKeyFiles, LogSigner, Parts, Plane, Settings, StartError};
use marque_policy::{PolicySet, PolicySource};
use marque_store::{DatabaseUrl, OpenOptions, Store};

use crate::{Human, Log, MockClock, Outside, SeededRandom};

/// Keys come from one seed, so that a plane that starts again has the same ones.
const KEY_SEED: u64 = 7;
/// The longest a test waits for an outcome to be recorded.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a test wants other than the ordinary.
#[derive(Default)]
pub struct Setup {
    /// What an administrator set.
    pub settings: Settings,
    /// The organisation's policies, in Cedar.
    pub policies: Vec<&'static str>,
    /// Faults and delays of the store.
    pub store: OpenOptions,
    /// Where randomness starts.
    pub seed: u64,
    /// The folder with the log's key, as `log`; without one the key is in no file, and stays.
    pub log_keys: Option<PathBuf>,
    /// What lies outside.
    pub outside: Arc<Outside>,
}

/// A plane and the hands that move it. A clone is the same plane.
#[derive(Clone)]
pub struct TestPlane {
    inner: Arc<Inner>,
}

struct Inner {
    plane: Plane,
    store: Store,
    clock: Arc<MockClock>,
}

impl TestPlane {
    /// A plane in memory, claimed by alice. Every change commits in the thread that asks for it.
    pub async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    /// As [`TestPlane::new`], with something out of the ordinary.
    pub async fn with(setup: Setup) -> Self {
        let plane = Self::unclaimed(setup);
        plane.alice().claims().await.unwrap();
        plane
    }

    /// A plane in memory that nobody has claimed.
    pub fn unclaimed(setup: Setup) -> Self {
        let store = Store::in_memory_with(setup.store.clone()).unwrap();
        let (clock, parts) = parts(&setup, Arc::default());
        let plane = Plane::start_inline(store.clone(), parts, setup.settings).unwrap();
        Self::of(plane, store, clock)
    }

    /// A plane on a store in memory that another one may have served before, if it can start. It
    /// shares that one's clock, and the writer must have been given back.
    pub fn on_store(store: Store, setup: Setup, clock: Arc<MockClock>) -> Result<Self, StartError> {
        let (clock, parts) = parts(&setup, clock);
        let plane = Plane::start_inline(store.clone(), parts, setup.settings)?;
        Ok(Self::of(plane, store, clock))
    }

    /// A plane on a PostgreSQL database, claimed by alice, now or before. Its clock runs, for the
    /// database tells the time of what is committed.
    pub async fn in_postgres(url: &str, setup: Setup) -> Self {
        Self::try_in_postgres(url, setup).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same, or why it cannot start.
    pub async fn try_in_postgres(url: &str, setup: Setup) -> Result<Self, StartError> {
        let url = DatabaseUrl::parse(url).unwrap();
        let store = Store::open_postgres(&url, setup.store.clone())?;
        // Another start draws other ids.
        let seed = setup.seed.wrapping_add(store.epoch() << 32);
        let clock = Arc::new(MockClock::of_this_moment());
        let plane = Self::on_threads(store, Setup { seed, ..setup }, clock)?;
        if plane.log().size() == 0 {
            plane.alice().claims().await.unwrap();
        }
        Ok(plane)
    }

    pub(crate) fn on_threads(
        store: Store,
        setup: Setup,
        clock: Arc<MockClock>,
    ) -> Result<Self, StartError> {
        let (clock, parts) = parts(&setup, clock);
        let plane = Plane::start(store.clone(), parts, setup.settings)?;
        Ok(Self::of(plane, store, clock))
    }

    fn of(plane: Plane, store: Store, clock: Arc<MockClock>) -> Self {
        plane.set_proxy_address(([127, 0, 0, 1], 9).into());
        Self { inner: Arc::new(Inner { plane, store, clock }) }
    }

    /// The plane itself.
    pub fn plane(&self) -> &Plane {
        &self.inner.plane
    }

    /// Its store, past every verb.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Its clock.
    pub fn clock(&self) -> &Arc<MockClock> {
        &self.inner.clock
    }

    /// The one who claims, at the first terminal.
    pub fn alice(&self) -> Human {
        Human::at_terminal(self.clone(), "alice", 1)
    }

    /// Alice, who has connected `api`, registered the agent `bot`, and granted it those lines, if
    /// any.
    pub async fn alice_with_bot(&self, lines: &[&str]) -> Human {
        let alice = self.alice();
        alice.connects("api").await;
        alice.registers("bot").await;
        if !lines.is_empty() {
            alice.grants("bot", lines).await;
        }
        alice
    }

    /// The log as it stands.
    pub fn log(&self) -> Log {
        Log::read(&self.inner.store)
    }

    /// A signed checkpoint of all there is.
    pub async fn checkpoint(&self) -> CheckpointView {
        self.inner.plane.checkpoint(None).await.unwrap()
    }

    /// The log's verifier key, as people keep it.
    pub fn log_key(&self) -> String {
        self.inner.plane.status().claimed.unwrap().log_key
    }

    /// Returns once the outcome of a decision is recorded.
    pub async fn settled(&self, decision: Id<Decision>) {
        let is_open = || {
            let open =
                self.inner.store.read("test.intents", |tx| tx.unsettled_intents(None, 10_000));
            open.unwrap().iter().any(|intent| intent.decision == decision)
        };
        let waiting = async {
            while is_open() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    }

    /// Lets everything under way finish, and ends.
    pub async fn stop(self) {
        self.inner.plane.stop().await;
    }
}

pub(crate) fn parts(setup: &Setup, clock: Arc<MockClock>) -> (Arc<MockClock>, Parts) {
    let keys = SeededRandom::new(KEY_SEED);
    let random = Arc::new(SeededRandom::new(setup.seed));
    let material = |purpose| KeyMaterial::generate(purpose, &keys);
    let key_encryption = material(Purpose::KeyEncryption);
    let sources = setup.policies.iter().enumerate();
    let sources: Vec<_> = sources
        .map(|(place, text)| PolicySource {
            name: format!("{place}.cedar"),
            text: (*text).to_owned(),
        })
        .collect();
    let parts = Parts {
        outbound: Arc::clone(&setup.outside) as Arc<dyn marque_plane::outbound::Outbound>,
        clock: Arc::clone(&clock) as Arc<dyn marque_plane::Clock>,
        random: Arc::clone(&random) as Arc<dyn marque_crypto::Random>,
        key_manager: Arc::new(FileKeyManager::new(&key_encryption, random).unwrap()),
        log_key: Arc::new(signer(setup, &material(Purpose::LogSigning))),
        machine_key: MachineHashKey::from_material(&material(Purpose::MachineHash)).unwrap(),
        policies: Arc::new(PolicySet::load(&sources).unwrap_or_else(|errors| panic!("{errors}"))),
        factor_cost: Cost::LIGHT,
        seen: Vec::new(),
    };
    (clock, parts)
}

fn signer(setup: &Setup, material: &KeyMaterial) -> LogSigner {
    let folder = setup.log_keys.clone();
    let private = folder.as_ref().map(|folder| folder.join("log"));
    let key = private.as_ref().map_or_else(
        || LogKey::from_material(material),
        |path| {
            let keys = SeededRandom::new(KEY_SEED);
            let made = key_file::load_or_create(path, Purpose::LogSigning, &keys).unwrap();
            LogKey::from_material(&made)
        },
    );
    let nowhere = PathBuf::from("/nonexistent/keys/log");
    let private = private.unwrap_or(nowhere);
    let public = private.with_file_name("log.vkey");
    LogSigner::new(key.unwrap(), LogKeyFiles { private, public })
}
