//! What a mandate reaches: the ports a captured run must be able to dial, and the hosts there are.
//!
//! A launcher makes doors and lays placeholders by it. It grants nothing: what comes in through a
//! door is decided like everything else.

use std::collections::BTreeSet;

use marque_domain::{Authority, Connection, Permission, Service};

use crate::world::World;

/// Ports every captured run has doors at.
const ALWAYS: [u16; 5] = [22, 53, 80, 443, 5_432];
/// Most ports beside those.
const MAX_PORTS: usize = 32;

/// What a mandate reaches.
pub(super) struct Reached {
    /// Ports beside the usual ones, sorted.
    pub(super) ports: Vec<u16>,
    /// Hosts of every connection, sorted.
    pub(super) hosts: Vec<String>,
}

impl Reached {
    /// What that mandate reaches, as the connections are now.
    pub(super) fn by(world: &World, mandate: &Authority) -> Self {
        let (mut ports, mut served) = (BTreeSet::new(), BTreeSet::new());
        let lines = || mandate.allow.iter().chain(&mandate.ask);
        let named: BTreeSet<_> = lines().map(Permission::connection).collect();
        let live = |id| world.connections.get(id).filter(|found| found.fact.is_live());
        for connection in named.into_iter().filter_map(live) {
            let Connection { hosts, .. } = &connection.fact;
            ports.extend(hosts.iter().map(|endpoint| endpoint.port));
            served.extend(hosts.iter().map(|endpoint| endpoint.host.clone()));
        }
        ports.extend(lines().filter_map(connected_port));
        ports.retain(|port| *port != 0 && !ALWAYS.contains(port));
        Self {
            ports: ports.into_iter().take(MAX_PORTS).collect(),
            hosts: served.into_iter().collect(),
        }
    }
}

// The port of a line `connect host:port` that names one.
fn connected_port(line: &Permission) -> Option<u16> {
    Service::Net.operation(line.operation())?;
    line.resource().first()?.to_string().rsplit_once(':')?.1.parse().ok()
}
