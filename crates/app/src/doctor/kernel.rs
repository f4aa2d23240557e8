//! What this machine's kernel gives a run, tried one by one, and the tier that comes of it.

use marque_domain::Tier;
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use super::Row;
use crate::capture::kernel::{Need, landlock, obstacle};
use crate::capture::{Fence, Home, Stage, Unfit, Wanted, delegated};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::launch::children;

/// What a captured run is made of, as a person would say it, and the remedy that is not a setting.
const NEEDS: [(Need, &str, &str); 5] = [
    (
        Need::Namespaces,
        "user namespaces",
        "in a container: allow `unshare` and `clone` in its seccomp profile",
    ),
    (
        Need::Mounts,
        "mounts inside",
        "in a container: let its AppArmor or SELinux profile allow `mount` in user namespaces",
    ),
    (Need::Network, "network inside", "a kernel with CONFIG_NET_NS, and rtnetlink in it"),
    (Need::Layers, "overlayfs inside", "Linux 5.11 or later with CONFIG_OVERLAY_FS"),
    (
        Need::Processes,
        "processes inside",
        "in a container: show it all of `/proc` (`--security-opt systempaths=unconfined`)",
    ),
];

/// The rows, each handed on as soon as it is known.
pub(crate) fn rows(tell: &mut dyn FnMut(Row)) {
    tell(Row::ok("kernel", read("/proc/sys/kernel/osrelease").unwrap_or_default()));
    let known = obstacle();
    tell(match known {
        None => Row::ok("settings", "nothing forbids user namespaces"),
        Some(known) => Row::failed("settings", known.why, known.remedy),
    });
    for (need, what, remedy) in NEEDS {
        let remedy = known.map_or(remedy, |known| known.remedy);
        tell(match need.is_given() {
            Ok(()) => Row::ok(what, "given"),
            Err(why) => Row::failed(what, why, remedy),
        });
    }
    tell(seccomp());
    tell(fences());
    tell(match pidfd_open(getpid(), PidfdFlags::empty()) {
        Ok(_) => Row::ok("pidfd", "given"),
        Err(error) => Row::failed("pidfd", error.to_string(), "Linux 5.3 or later"),
    });
    tell(match marque_api::can_tell_networks() {
        Ok(()) => Row::ok("SO_NETNS_COOKIE", "given"),
        Err(why) => Row::failed("SO_NETNS_COOKIE", why, "Linux 5.14 or later"),
    });
    tell(cgroup());
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn seccomp() -> Row {
    let given = read("/proc/sys/kernel/seccomp/actions_avail");
    match given.filter(|actions| actions.split(' ').any(|action| action == "errno")) {
        Some(_) => Row::ok("seccomp", "given"),
        None => Row::failed("seccomp", "there is none", "a kernel with CONFIG_SECCOMP_FILTER"),
    }
}

fn fences() -> Row {
    const WHAT: &str = "Landlock";
    match landlock() {
        Some(6..) => Row::ok(WHAT, "ABI 6 or later: files, ports, signals"),
        Some(5) => Row::ok(WHAT, "ABI 5: files, ports; not signals (Linux 6.12)"),
        Some(4) => Row::ok(WHAT, "ABI 4: files, ports; not signals, devices (Linux 6.12)"),
        Some(older) => {
            Row::failed(WHAT, format!("ABI {older}: files, not ports"), "Linux 6.7 or later")
        }
        None => {
            let remedy = "Linux 6.7 or later with `landlock` in `lsm=`; only `confined` needs it";
            Row::failed(WHAT, "there is none", remedy)
        }
    }
}

fn cgroup() -> Row {
    const WHAT: &str = "cgroup";
    match delegated() {
        Some(_) => Row::ok(WHAT, "delegated"),
        None => Row::absent(WHAT, "not delegated: a run ends by its pid namespace alone"),
    }
}

/// The best tier there is, by building all of it once; and why it is not the best there could be.
pub(crate) fn best_tier(context: &Context) -> Result<(Tier, Option<String>), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Exit::Failed, format!("cannot try to hold a run: {error}"))
    };
    children::adopt().map_err(failed)?;
    let work = tempfile::Builder::new().prefix("marque-doctor-").tempdir().map_err(failed)?;
    let home = context.environment.path("HOME").filter(|home| home.is_dir());
    let wanted = Wanted {
        home,
        profile: Home::Private,
        directory: work.path().to_owned(),
        hidden: Vec::new(),
        program: std::env::current_exe().ok(),
        covered: Vec::new(),
        sockets: String::new(),
    };
    let said = |Unfit { step, why }: Unfit| format!("cannot {step}: {why}");
    let why = match Stage::build(&wanted)? {
        Ok(_ends) => return Ok((Tier::Captured, None)),
        Err(unfit) => said(unfit),
    };
    Ok(match Fence::build(&wanted)? {
        Ok(_removed) => (Tier::Confined, Some(why)),
        Err(unfit) => (Tier::Advisory, Some(format!("{why}; nor confined: {}", said(unfit)))),
    })
}
