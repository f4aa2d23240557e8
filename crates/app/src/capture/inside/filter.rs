//! What a run may not ask of the kernel: ways to other powers, other networks, other terminals.
//!
//! A list of what is refused, for anything may be run; what is refused looks like a kernel without
//! it. It holds for the command and everything it starts (seccomp(2)).

mod confined;

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

pub(super) use self::confined::apply as apply_confined;
use super::{During as _, Trouble};

/// Calls of the x32 ABI carry this bit and reach the same kernel functions (x86-64 only).
#[cfg(target_arch = "x86_64")]
const X32: i64 = 0x4000_0000;
/// ioctl(2) and ptrace(2) as x32 has them besides.
#[cfg(target_arch = "x86_64")]
const X32_IOCTL: i64 = X32 + 514;

/// Not there at all.
const REFUSED: &[c_long] = &[
    // Programs in the kernel, and what looks over others' shoulders.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    // Whoever waits there is under no filter.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Keys of the user, not of the run.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // A file by its number, past every path; and what others open of the files that are shared.
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    // What the kernel says of the whole machine.
    libc::SYS_syslog,
    // The machine itself.
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_lookup_dcookie,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    // Other mounts and other namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    OPEN_TREE_ATTR,
    libc::SYS_setns,
];

/// The same, except for a run that may make user namespaces: what a sandbox builds its root with.
const NESTING: &[c_long] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
];

/// open_tree_attr(2), which has this number everywhere (Linux 6.15).
const OPEN_TREE_ATTR: c_long = 467;

/// Families of sockets there are: of this machine, of the network, and to ask about it.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
/// Protocols of the network there are: any other the kernel might load a module for, outside.
const PROTOCOLS: [i32; 6] = [
    0,
    libc::IPPROTO_TCP,
    libc::IPPROTO_UDP,
    libc::IPPROTO_ICMP,
    libc::IPPROTO_ICMPV6,
    libc::IPPROTO_MPTCP,
];
/// What sockets and netlink sockets there are not.
const RAW: i32 = libc::SOCK_RAW;
/// A socket's kind, without its flags.
const KIND: u64 = 0xf;

/// Filters this thread and all it starts, for good.
pub(super) fn apply(may_nest: bool) -> Result<(), Trouble> {
    for program in programs(may_nest).during("make the filter")? {
        seccompiler::apply_filter(&program).during("filter calls of the kernel")?;
    }
    Ok(())
}

fn programs(may_nest: bool) -> Result<Vec<BpfProgram>, seccompiler::Error> {
    let is_refused = |call: &&c_long| !(may_nest && NESTING.contains(call));
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().filter(is_refused).map(|call| (*call, Vec::new())).collect();
    // Pushing input into the terminal it runs at (TIOCSTI), or pasting into a console (TIOCLINUX).
    // The kernel looks at 32 bits of the command, and so do we.
    let into_terminal = [libc::TIOCSTI, libc::TIOCLINUX].map(|command| rule(&[is(1, command)?]));
    let into_terminal = into_terminal.into_iter().collect::<Result<Vec<_>, _>>()?;
    refused.insert(libc::SYS_ioctl, into_terminal.clone());
    refused.insert(libc::SYS_socket, sockets()?);
    let unlike_unix = condition(0, SeccompCmpOp::Ne, libc::AF_UNIX.unsigned_abs().into())?;
    refused.insert(libc::SYS_socketpair, vec![rule(&[unlike_unix])?]);
    let mut absent = BTreeMap::new();
    // Whoever forbids images of itself has what it wants; lifting the limit would be a way outside.
    let mut pretended = BTreeMap::new();
    let images = || is(0, u64::from(libc::RLIMIT_CORE));
    pretended.insert(libc::SYS_setrlimit, vec![rule(&[images()?])?]);
    let sets = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
    let of_images = is(1, u64::from(libc::RLIMIT_CORE))?;
    pretended.insert(libc::SYS_prlimit64, vec![rule(&[of_images, sets])?]);
    if !may_nest {
        let user = u64::try_from(libc::CLONE_NEWUSER).unwrap_or(u64::MAX);
        refused.insert(libc::SYS_unshare, vec![rule(&[has(0, user)?])?]);
        refused.insert(libc::SYS_clone, vec![rule(&[has(0, user)?])?]);
        // Its flags lie in memory, which a filter cannot see. Without it, clone(2) is used.
        absent.insert(libc::SYS_clone3, Vec::new());
    }
    #[cfg(target_arch = "x86_64")]
    {
        refused.insert(X32_IOCTL, into_terminal);
        for calls in [&mut refused, &mut absent, &mut pretended] {
            let same = calls.clone().into_iter().filter(|(call, _)| *call < X32);
            calls.extend(same.map(|(call, rules)| (call | X32, rules)).collect::<Vec<_>>());
        }
    }
    let programs = [(refused, libc::EPERM), (absent, libc::ENOSYS), (pretended, 0)];
    let programs = programs.into_iter().filter(|(calls, _)| !calls.is_empty());
    programs.map(|(calls, error)| program(calls, error)).collect()
}

// What of socket(2) is refused: families that are not listed, and raw sockets of those that are.
fn sockets() -> Result<Vec<SeccompRule>, seccompiler::Error> {
    let unlisted = FAMILIES.map(|family| {
        let family = u64::try_from(family).unwrap_or(u64::MAX);
        condition(0, SeccompCmpOp::Ne, family)
    });
    let unlisted = unlisted.into_iter().collect::<Result<Vec<_>, _>>()?;
    let raw = u64::try_from(RAW).unwrap_or_default();
    let is_raw = || condition(1, SeccompCmpOp::MaskedEq(KIND), raw);
    let other = PROTOCOLS
        .map(|protocol| condition(2, SeccompCmpOp::Ne, u64::from(protocol.unsigned_abs())));
    let other = other.into_iter().collect::<Result<Vec<_>, _>>()?;
    let of_other = |family: i32| -> Result<SeccompRule, seccompiler::Error> {
        let family = is(0, family.unsigned_abs().into())?;
        rule(&[&[family], other.as_slice()].concat())
    };
    Ok(vec![
        SeccompRule::new(unlisted)?,
        of_other(libc::AF_INET)?,
        of_other(libc::AF_INET6)?,
        rule(&[is(0, libc::AF_INET.unsigned_abs().into())?, is_raw()?])?,
        rule(&[is(0, libc::AF_INET6.unsigned_abs().into())?, is_raw()?])?,
        // Of netlink only questions about the network, which is the run's own.
        rule(&[
            is(0, libc::AF_NETLINK.unsigned_abs().into())?,
            condition(2, SeccompCmpOp::Ne, libc::NETLINK_ROUTE.unsigned_abs().into())?,
        ])?,
    ])
}

fn program(
    calls: BTreeMap<i64, Vec<SeccompRule>>,
    error: i32,
) -> Result<BpfProgram, seccompiler::Error> {
    let arch = std::env::consts::ARCH.try_into()?;
    let refuse = SeccompAction::Errno(error.unsigned_abs());
    let filter = SeccompFilter::new(calls, SeccompAction::Allow, refuse, arch)?;
    Ok(BpfProgram::try_from(filter)?)
}

fn rule(conditions: &[SeccompCondition]) -> Result<SeccompRule, seccompiler::Error> {
    Ok(SeccompRule::new(conditions.to_vec())?)
}

fn is(argument: u8, value: u64) -> Result<SeccompCondition, seccompiler::Error> {
    condition(argument, SeccompCmpOp::Eq, value)
}

fn has(argument: u8, bits: u64) -> Result<SeccompCondition, seccompiler::Error> {
    condition(argument, SeccompCmpOp::MaskedEq(bits), bits)
}

fn condition(
    argument: u8,
    op: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, seccompiler::Error> {
    Ok(SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value)?)
}
