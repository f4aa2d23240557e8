//! The ground: a plane that alice claimed, with keys, clock and randomness such as a server has.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use marque_crypto::Secret;
use marque_crypto::factor::Cost;
use marque_crypto::key_file::{KeyMaterial, Purpose};
use marque_crypto::machine::MachineHashKey;
use marque_crypto::random::SystemRandom;
use marque_crypto::seal::FileKeyManager;
use marque_crypto::sign::LogKey;
use marque_domain::User;
use marque_plane::spec::{GrantSpec, Lines};
use marque_plane::{
    Acting, Ask, Factor, LogKeyFiles, LogSigner, Parts, Peer, Plane, Presented, ProcessKey,
    Settings,
};
use marque_policy::{PolicySet, PolicySource};
use marque_store::Store;
use marque_testkit::{CANARY, Call, PASSPHRASE, SeededRandom, connection, run_of};

use crate::clock::SystemClock;

/// Keys come from one seed, so that a plane that starts again has the same ones.
const KEY_SEED: u64 = 7;
/// A file may have 1 MiB.
const RULES_IN_A_FILE: usize = 4_000;

/// What a server is given.
pub(crate) fn parts(policies: Arc<PolicySet>) -> anyhow::Result<Parts> {
    let keys = SeededRandom::new(KEY_SEED);
    let material = |purpose| KeyMaterial::generate(purpose, &keys);
    let key_encryption = material(Purpose::KeyEncryption);
    let log_key = LogKey::from_material(&material(Purpose::LogSigning))?;
    let private = PathBuf::from("/nonexistent/keys/log");
    let public = private.with_file_name("log.vkey");
    Ok(Parts {
        clock: Arc::new(SystemClock),
        outbound: Arc::new(marque_testkit::Outside::default()),
        random: Arc::new(SystemRandom),
        key_manager: Arc::new(FileKeyManager::new(&key_encryption, Arc::new(SystemRandom))?),
        log_key: Arc::new(LogSigner::new(log_key, LogKeyFiles { private, public })),
        machine_key: MachineHashKey::from_material(&material(Purpose::MachineHash))?,
        policies,
        factor_cost: Cost::LIGHT,
        seen: Vec::new(),
    })
}

/// A set without policies.
pub(crate) fn no_policies() -> anyhow::Result<Arc<PolicySet>> {
    policies(&[])
}

/// A set of these policies.
pub(crate) fn policies(rules: &[String]) -> anyhow::Result<Arc<PolicySet>> {
    let files = rules.chunks(RULES_IN_A_FILE).enumerate();
    let sources: Vec<_> = files
        .map(|(number, rules)| PolicySource {
            name: format!("bench-{number}.cedar"),
            text: rules.join("\n"),
        })
        .collect();
    Ok(Arc::new(PolicySet::load(&sources).map_err(|errors| anyhow!("{errors}"))?))
}

/// A plane on a file whose changes commit in the thread that asks, so that its memory is this
/// thread's too.
pub(crate) fn start_inline(database: &Path, policies: Arc<PolicySet>) -> anyhow::Result<Plane> {
    start_inline_as(database, policies, Settings::default())
}

/// The same with these settings.
pub(crate) fn start_inline_as(
    database: &Path,
    policies: Arc<PolicySet>,
    settings: Settings,
) -> anyhow::Result<Plane> {
    let plane = Plane::start_inline(Store::open(database)?, parts(policies)?, settings)?;
    plane.set_proxy_address(([127, 0, 0, 1], 9).into());
    Ok(plane)
}

/// Alice, at no terminal in particular.
pub(crate) struct Alice {
    pub(crate) acting: Acting<User>,
    peer: Peer,
}

impl Alice {
    /// Claims the plane first, if nobody has.
    pub(crate) async fn of(plane: &Plane) -> anyhow::Result<Self> {
        let ancestors =
            vec![ProcessKey { pid: 10_000, started: 2 }, ProcessKey { pid: 1, started: 0 }];
        let peer = Peer { uid: 1_000, session: None, ancestors };
        let factor = || -> anyhow::Result<Factor> {
            let passphrase = Secret::from_string(PASSPHRASE.to_owned());
            Ok(Factor { user: Some("alice".parse()?), passphrase })
        };
        if plane.status().claimed.is_none() {
            plane.claim(&peer, factor()?).await?;
        }
        let acting = plane.identify(&peer, Some(factor()?), false).await?;
        Ok(Self { acting, peer })
    }

    /// Registers the connection `api`, with a secret behind it.
    pub(crate) async fn connects(&self, plane: &Plane) -> anyhow::Result<()> {
        let secret = Secret::from_string(CANARY.to_owned());
        plane.add_connection(&self.acting, connection("api"), Some(secret)).await?;
        Ok(())
    }

    /// Registers an agent and lets it do what the lines say, for thirty days.
    pub(crate) async fn registers(
        &self,
        plane: &Plane,
        name: &str,
        allow: &[&str],
    ) -> anyhow::Result<()> {
        plane.add_agent(&self.acting, marque_testkit::agent(name)).await?;
        self.grants(plane, name, allow).await
    }

    /// Lets an agent do what the lines say, for thirty days.
    pub(crate) async fn grants(
        &self,
        plane: &Plane,
        name: &str,
        allow: &[&str],
    ) -> anyhow::Result<()> {
        let grant = GrantSpec {
            agent: name.parse()?,
            lines: Lines {
                allow: allow.iter().map(|line| (*line).to_owned()).collect(),
                ..Lines::default()
            },
            until: plane.now().plus(Duration::from_secs(30 * 86_400)),
            openers: [].into(),
            tier_floor: None,
            user_namespaces: false,
        };
        plane.add_grant(&self.acting, grant).await?;
        Ok(())
    }

    /// Opens a run of that agent, with all it was granted; what proves it.
    pub(crate) async fn opens(&self, plane: &Plane, agent: &str) -> anyhow::Result<Proof> {
        let opened = plane.open_run(&self.acting, &self.peer, run_of(agent)).await;
        let opened = opened.with_context(|| format!("a run of {agent}"))?;
        Ok(Proof { run: opened.run.id.to_string(), secret: opened.secret })
    }
}

/// What proves a run.
pub(crate) struct Proof {
    run: String,
    secret: String,
}

impl Proof {
    /// That run's question to the road.
    pub(crate) fn asks(&self, call: &Call) -> Ask {
        let secret = Secret::from_string(self.secret.clone());
        let presented = Presented::RunSecret { run: self.run.clone(), secret };
        Ask { presented, operation: call.operation().clone(), announced_bytes: 0 }
    }
}
