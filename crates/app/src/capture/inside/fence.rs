//! Landlock: which files a confined run may open, and which TCP ports it may connect to.
//!
//! An allow-list of what lies beneath directories; the kernel cannot take a part of one away again
//! (landlock(7)). What the kernel lacks of it is asked for here, never guessed from its version.

use std::path::PathBuf;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, NetPort,
    Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
    path_beneath_rules,
};
use serde::{Deserialize, Serialize};

use super::{During as _, Trouble};

/// The first that knows TCP ports (Linux 6.7), the first that knows devices' ioctls (6.10), and the
/// first that keeps signals in (6.12).
const PORTS: ABI = ABI::V4;
const DEVICES: ABI = ABI::V5;
const SIGNALS: ABI = ABI::V6;

/// What stays open.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Rules {
    /// Read and executed, and all beneath.
    pub(in super::super) readable: Vec<PathBuf>,
    /// Written to as well.
    pub(in super::super) writable: Vec<PathBuf>,
    /// Devices.
    pub(in super::super) devices: Vec<PathBuf>,
    /// TCP ports that are connected to, of any host.
    pub(in super::super) ports: Vec<u16>,
}

/// The newest version of Landlock that this kernel and we know; none without Landlock.
pub(in super::super) fn version() -> Option<u8> {
    let known = [(6, SIGNALS), (5, DEVICES), (4, PORTS), (3, ABI::V3), (2, ABI::V2), (1, ABI::V1)];
    let is_there = |abi| handled(abi).and_then(Ruleset::create).is_ok();
    known.into_iter().find(|(_, abi)| is_there(*abi)).map(|(version, _)| version)
}

/// Fences this thread and all it starts in, for good.
pub(super) fn apply(rules: &Rules) -> Result<(), Trouble> {
    let abi = match version() {
        Some(4) => PORTS,
        Some(5) => DEVICES,
        Some(6..) => SIGNALS,
        _ => return Err("this kernel's Landlock knows no ports").during("fence files and ports"),
    };
    let status = restrict(rules, abi).during("fence files and ports")?;
    if status.ruleset == RulesetStatus::FullyEnforced && status.no_new_privs {
        return Ok(());
    }
    Err(format!("the kernel enforced it as {:?}", status.ruleset)).during("fence files and ports")
}

fn handled(abi: ABI) -> Result<Ruleset, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?;
    if abi >= PORTS {
        ruleset = ruleset.handle_access(AccessNet::BindTcp | AccessNet::ConnectTcp)?;
    }
    if abi >= SIGNALS {
        ruleset = ruleset.scope(Scope::AbstractUnixSocket | Scope::Signal)?;
    }
    Ok(ruleset)
}

fn restrict(rules: &Rules, abi: ABI) -> Result<landlock::RestrictionStatus, RulesetError> {
    let read = AccessFs::from_read(abi);
    let device = (read | AccessFs::WriteFile | AccessFs::from_file(abi)) & !AccessFs::Execute;
    // Nobody makes devices, or sockets that others would connect to.
    let never = AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::MakeSock;
    let write = AccessFs::from_all(abi) & !never & !from_devices(abi);
    let ports = rules.ports.iter().map(|port| NetPort::new(*port, AccessNet::ConnectTcp));
    handled(abi)?
        .create()?
        .add_rules(path_beneath_rules(&rules.readable, read))?
        .add_rules(path_beneath_rules(&rules.writable, write))?
        .add_rules(path_beneath_rules(&rules.devices, device))?
        .add_rules(ports.map(Ok::<_, RulesetError>))?
        .restrict_self()
}

fn from_devices(abi: ABI) -> BitFlags<AccessFs> {
    if abi >= DEVICES { AccessFs::IoctlDev.into() } else { BitFlags::EMPTY }
}
