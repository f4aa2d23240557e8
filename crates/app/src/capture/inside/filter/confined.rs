//! What a confined run may not ask besides: any socket that Landlock does not fence.
//!
//! Landlock judges bind(2) and connect(2) of TCP by port, and nothing else. So there are no other
//! sockets, no way to connect without connect(2), and nothing that listens.

use std::collections::BTreeMap;

use seccompiler::{SeccompCmpOp, SeccompRule};

use super::super::{During as _, Trouble};
use super::{KIND, condition, has, program, rule};

/// sendmsg(2) and sendmmsg(2) as x32 has them.
#[cfg(target_arch = "x86_64")]
const X32_SENDS: [(i64, u8); 2] = [(super::X32 + 518, 2), (super::X32 + 538, 3)];
/// A connection begun by sending, past connect(2) (tcp(7), Fast Open).
const FAST_OPEN: u64 = libc::MSG_FASTOPEN.unsigned_abs() as u64;

/// Filters this thread and all it starts, for good. Comes after the filter of every run.
pub(in super::super) fn apply() -> Result<(), Trouble> {
    let calls = calls().during("make the filter")?;
    let program = program(calls, libc::EPERM).during("make the filter")?;
    seccompiler::apply_filter(&program).during("filter calls of the kernel")
}

fn calls() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::Error> {
    let mut calls = BTreeMap::from([
        (libc::SYS_socket, sockets()?),
        // A datagram socket could be led elsewhere by connect(2) and sendto(2); the others not.
        (libc::SYS_socketpair, kinds_but(&[libc::SOCK_STREAM, libc::SOCK_SEQPACKET])?),
        // Of a socket without a port the kernel picks one here, and asks nobody.
        (libc::SYS_listen, Vec::new()),
    ]);
    let sends = [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)];
    for (call, flags) in sends {
        calls.insert(call, vec![rule(&[has(flags, FAST_OPEN)?])?]);
    }
    #[cfg(target_arch = "x86_64")]
    {
        let same = calls.clone().into_iter().map(|(call, rules)| (call | super::X32, rules));
        calls.extend(same.collect::<Vec<_>>());
        for (call, flags) in X32_SENDS {
            calls.insert(call, vec![rule(&[has(flags, FAST_OPEN)?])?]);
        }
    }
    Ok(calls)
}

// TCP over IPv4 and IPv6. MPTCP, SMC and SCTP are stream sockets too, and Landlock lets them pass.
fn sockets() -> Result<Vec<SeccompRule>, seccompiler::Error> {
    let not =
        |argument, value: i32| condition(argument, SeccompCmpOp::Ne, value.unsigned_abs().into());
    let mut refused = vec![
        rule(&[not(0, libc::AF_INET)?, not(0, libc::AF_INET6)?])?,
        rule(&[not(2, 0)?, not(2, libc::IPPROTO_TCP)?])?,
    ];
    refused.extend(kinds_but(&[libc::SOCK_STREAM])?);
    Ok(refused)
}

/// All kinds of sockets but those; flags beside the kind do not count.
fn kinds_but(kept: &[i32]) -> Result<Vec<SeccompRule>, seccompiler::Error> {
    let kept: Vec<u64> = kept.iter().map(|kind| kind.unsigned_abs().into()).collect();
    let kinds = (0..=KIND).filter(|kind| !kept.contains(kind));
    kinds.map(|kind| rule(&[condition(1, SeccompCmpOp::MaskedEq(KIND), kind)?])).collect()
}
