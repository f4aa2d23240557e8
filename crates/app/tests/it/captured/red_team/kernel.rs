//! The kernel's own ways to other powers.

use std::fs;

use super::team::{Team, is_root};

/// Calls that are not there: a name, the number on x86-64, and arguments that ask for nothing.
const CALLS: &[(&str, &[&str])] = &[
    ("programs in the kernel", &["321", "0", "0", "0"]),
    ("rings of calls", &["425", "1", "0"]),
    ("rings of calls: enter", &["426", "-1", "0", "0", "0", "0"]),
    ("rings of calls: register", &["427", "-1", "0", "0", "0"]),
    ("keys: add", &["248", "0", "0", "0", "0", "0"]),
    ("keys: request", &["249", "0", "0", "0", "0"]),
    // The number of the session's keyring.
    ("keys: control", &["250", "0", "-3", "0"]),
    ("faults of memory", &["323", "-1"]),
    ("events of performance", &["298", "0", "0", "-1", "-1", "0"]),
    ("a file by its number", &["304", "-1", "0", "0"]),
    ("another kernel", &["246", "0", "0", "0", "0"]),
    ("modules: remove", &["176", "0", "0"]),
    ("modules: load", &["313", "-1", "0", "0"]),
    ("swapping", &["168", "0"]),
    ("accounting", &["163", "1"]),
    ("quotas", &["179", "0", "0", "0", "0"]),
    ("the clock", &["227", "99", "0"]),
    ("the clock's speed", &["159", "0"]),
    ("the kernel's log", &["103", "10", "0", "0"]),
    ("ports of the machine", &["172", "0"]),
    ("mounts: fsopen", &["430", "0", "0"]),
    ("mounts: fsmount", &["432", "-1", "0", "0"]),
    ("mounts: fspick", &["433", "-1", "0", "0"]),
    ("mounts: move", &["429", "-1", "0", "-1", "0", "0"]),
    ("mounts: attributes", &["442", "-1", "0", "0", "0", "0"]),
    ("mounts: open with attributes", &["467", "-1", "0", "0", "0", "0"]),
    ("watching whole file systems", &["300", "0", "0"]),
];

// threat 100
#[test]
fn what_leads_to_other_powers_is_refused() {
    if !is_root() || !cfg!(target_arch = "x86_64") {
        return;
    }
    let (mut team, ()) = Team::new(|world| {
        fs::create_dir_all(world.path("work/.git/hooks")).unwrap();
        fs::write(world.path("work/.git/config"), "").unwrap();
    });
    for (name, words) in CALLS {
        team.tries(name, &[&["kernel-call"], *words].concat());
    }
    for (name, flags) in
        [("user", "10000000"), ("user and mounts", "10020000"), ("user and network", "50000000")]
    {
        team.tries(&format!("namespaces: {name}"), &["unshare", flags]);
        team.tries(&format!("a process in namespaces: {name}"), &["clone", flags]);
    }
    for (name, flags) in [("mounts", "20000"), ("network", "40000000"), ("names", "4000000")] {
        team.tries(&format!("namespaces: {name}"), &["unshare", flags]);
    }
    let work = team.world.path("work");
    let config = work.join(".git/config");
    let work = work.to_str().unwrap();
    team.tries("a mount", &["mount", work]);
    team.tries("a mount by descriptors", &["new-mount"]);
    team.tries_as(
        "what protects a file",
        &["unmount", "own"],
        &["unmount", config.to_str().unwrap()],
    );
    team.tries("another root", &["pivot"]);
    team.tries_as("another namespace", &["join", "/proc/self/ns/net"], &["join", "/proc/1/ns/net"]);
    team.tries("another namespace of its own", &["join", "/proc/self/ns/mnt"]);
    team.tries("the machine's name", &["host-name"]);
    team.tries("calls of x32", &["other-abi", "x32"]);
    team.tries("calls of 32 bits", &["other-abi", "i386"]);
    team.reports();
}

#[test]
fn settings_and_devices_of_the_machine_stay_as_they_are() {
    if !is_root() {
        return;
    }
    let (mut team, ()) = Team::sharing(|_| ());
    for file in [
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/modprobe",
        "/proc/sys/vm/overcommit_memory",
        "/proc/irq/default_smp_affinity",
        "/sys/kernel/rcu_normal",
        "/sys/module/printk/parameters/time",
        "/sys/devices/system/cpu/cpu1/online",
    ] {
        // What a machine has not, it need not protect.
        let is_writable = fs::OpenOptions::new().write(true).open(file).is_ok();
        if is_writable && fs::read(file).is_ok_and(|held| !held.is_empty()) {
            team.tries(file, &["write-back", file]);
        }
    }
    // `h` asks for help, in the kernel's log.
    let request = "/proc/sysrq-trigger";
    if fs::exists(request).unwrap() {
        team.tries("requests to the kernel", &["say", request, "h"]);
    }
    for file in
        ["/proc/mtrr", "/proc/dynamic_debug/control", "/proc/acpi/wakeup", "/proc/pressure/cpu"]
    {
        if fs::OpenOptions::new().write(true).open(file).is_ok() {
            team.tries(file, &["write", file]);
        }
    }
    for file in [
        "/proc/kcore",
        "/proc/kpageflags",
        "/proc/slabinfo",
        "/proc/vmallocinfo",
        "/proc/timer_list",
    ] {
        if fs::File::open(file).is_ok_and(|mut file| {
            std::io::Read::read(&mut file, &mut [0; 16]).is_ok_and(|length| length > 0)
        }) {
            team.tries(file, &["read-any", file]);
        }
    }
    // One inode, of the whole machine: a mode set here would be its mode everywhere.
    for device in ["/dev/null", "/dev/zero", "/dev/urandom", "/dev/tty"] {
        team.tries(device, &["mode-of", device]);
    }
    let mode = "import os;os.chmod('/proc/kcore',0o666)";
    let typed = team.run.types(&format!("/usr/bin/python3 -c \"{mode}\""));
    assert_ne!(typed.code, 0, "what hides a file is not to be changed either");
    team.reports();
}
