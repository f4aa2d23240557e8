//! What the store and the socket hold as JSON: whatever parses, written again in canonical bytes,
//! is the same record.

use marque_api::exchange::{ApproveBody, ConnectionBody, LogParameters, TaskBody, UnlockBody};
use marque_domain::{
    Agent, AgentVersion, Approval, Connection, Credential, Grant, LogEntry, Run, User,
    canonical_bytes,
};
use marque_plane::spec::{AgentSpec, ConnectionSpec, GrantSpec, KillTarget, RunSpec};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Each kind of record is tried: which one it is, its own members say.
const KINDS: [fn(&[u8]); 19] = [
    same::<LogEntry>,
    same::<Agent>,
    same::<AgentVersion>,
    same::<Approval>,
    same::<Connection>,
    same::<Credential>,
    same::<Grant>,
    same::<Run>,
    same::<User>,
    same::<AgentSpec>,
    same::<ConnectionSpec>,
    same::<GrantSpec>,
    same::<KillTarget>,
    same::<RunSpec>,
    same::<ApproveBody>,
    same::<ConnectionBody>,
    same::<LogParameters>,
    same::<TaskBody>,
    same::<UnlockBody>,
];

pub(super) fn check(data: &[u8]) {
    for same in KINDS {
        same(data);
    }
}

fn same<T: Serialize + DeserializeOwned>(data: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(data) else { return };
    // A number beyond 2^53 has no canonical form, and is refused where a record is written.
    let Ok(written) = canonical_bytes(&read) else { return };
    let again: T = serde_json::from_slice(&written).unwrap_or_else(|error| {
        let written = String::from_utf8_lossy(&written);
        unreachable!(
            "{} does not read what it wrote: {error}: {written}",
            std::any::type_name::<T>()
        )
    });
    assert_eq!(canonical_bytes(&again).unwrap(), written, "a record has two forms");
}
