//! Confined runs: what the kernel's fences keep a command from, where it has them.
//!
//! Every probe is made outside as well, where it must succeed: one that fails there proves nothing.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use super::support::{CREDENTIAL, Run, World};

/// Each is Python, and prints `through` where nothing holds it.
const PROBES: [(&str, &str); 9] = [
    ("connects to another port", "socket.create_connection(('127.0.0.1', PORT))"),
    ("begins by sending", "socket.socket().sendto(b'x', socket.MSG_FASTOPEN, ('127.0.0.1', PORT))"),
    ("uses MPTCP", "socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)"),
    ("uses UDP", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"),
    ("uses a Unix socket", "socket.socket(socket.AF_UNIX)"),
    (
        "leads a socket pair elsewhere",
        "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].connect('\\0marque-it-LABEL')",
    ),
    ("listens", "socket.socket().listen()"),
    ("signals another process", "os.kill(PID, 0)"),
    ("reads another's environment", "open('/proc/PID/environ').read()"),
];

/// A confined run; none, said aloud, where the kernel has no such fences.
fn confined(world: &World) -> Option<Run> {
    let quick = world.cli(&["doctor", "--quick", "--json"]).json();
    let mut rows = quick["rows"].as_array().unwrap().iter();
    if rows.any(|row| row["what"] == "Landlock" && row["verdict"] == "ok") {
        return Some(Run::open_in("confined", world, &["--agent", "bot", "--task", "ticket:1"]));
    }
    let said = "SKIPPED: this kernel's Landlock knows no ports, or there is none\n";
    let _ = std::io::stderr().write_all(said.as_bytes());
    None
}

// threat 100
#[test]
fn a_confined_run_reaches_the_gateway_and_nothing_else() {
    let world = World::new();
    let Some(mut run) = confined(&world) else { return };
    let shown = world.json(&["run", "show", &run.id]);
    assert_eq!(shown["tier"], "confined", "{shown}");
    assert!(run.said().contains("any host stays reachable at port"), "{}", run.said());
    assert_eq!(run.curl("https://api.test/v1/a").0, 200);
    let sent = world.api.saw_one();
    assert_eq!(sent.field("authorization"), Some(format!("Bearer {CREDENTIAL}").as_str()));

    let canary = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = canary.local_addr().unwrap().port().to_string();
    let outside = Command::new("sleep").arg("600").spawn().unwrap();
    let (label, pid) = (std::process::id().to_string(), outside.id().to_string());
    let name = format!("\\0marque-it-{label}");
    let hold = format!(
        "import socket, time\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
         s.bind('{name}')\nprint('there', flush=True)\ntime.sleep(600)"
    );
    let mut command = Command::new("python3");
    let mut holder = command.args(["-c", &hold]).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = [0];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut first).unwrap();
    for (number, (what, probe)) in PROBES.iter().enumerate() {
        let probe = probe.replace("PORT", &port).replace("PID", &pid).replace("LABEL", &label);
        let script = format!("import os, socket\n{probe}\nprint('through')\n");
        let path = world.write(&format!("work/probe{number}.py"), &script);
        let tried = Command::new("python3").arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&tried.stderr).into_owned();
        assert_eq!(tried.stdout, b"through\n", "outside, it {what}: {said}");
        let typed = run.types(&format!("python3 {}", path.display()));
        assert!(!typed.out.contains("through"), "inside, it {what}");
        let is_refused = typed.out.contains("Permission") || typed.out.contains("not permitted");
        assert!(is_refused, "inside, it {what}: {}", typed.out);
    }
    for mut process in [outside, holder] {
        process.kill().unwrap();
        process.wait().unwrap();
    }
}

#[test]
fn a_confined_run_opens_its_own_files_and_nobodys_credentials() {
    let world = World::new();
    for (name, text) in [
        (".aws/credentials", "canary-aws"),
        (".config/gh/hosts.yml", "canary-gh"),
        (".config/htop/htoprc", "plain"),
        (".netrc", "canary-netrc"),
        ("tmp/others", "canary-tmp"),
        ("work/notes", "plain"),
    ] {
        let path = world.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let Some(mut run) = confined(&world) else { return };
    let home = world.path("");
    let home = home.to_str().unwrap().trim_end_matches('/');
    for (reads, name) in [
        ("cat", ".aws/credentials"),
        ("cat", ".config/gh/hosts.yml"),
        ("cat", ".netrc"),
        ("ls", "data"),
        ("ls", ""),
        ("ls", "../"),
    ] {
        let typed = run.types(&format!("{reads} {home}/{name}"));
        assert_ne!(typed.code, 0, "{name}: {}", typed.out);
        assert!(typed.out.contains("denied"), "{name}: {}", typed.out);
    }
    for name in [".config/htop/htoprc", "work/notes"] {
        assert_eq!(run.types(&format!("cat {home}/{name}")).out, "plain");
    }
    assert_ne!(run.types(&format!("echo x > {home}/new")).code, 0, "home is read-only");
    assert_ne!(run.types("echo x > /tmp/marque-it-new").code, 0, "so is `/tmp`");
    assert_eq!(run.types("echo x > \"$TMPDIR/a\" && echo x > build.rs").code, 0);
    let committed = run.types("git init -q r && git -C r commit -q --allow-empty -m one");
    assert_eq!(committed.code, 0, "{}", committed.out);
    let status = run.types("cat /proc/self/status").out;
    for line in ["CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{status}");
    }
    run.begins("exit 7");
    assert_eq!(run.code(), 7);
    assert!(run.said().contains("may execute, so read it first: build.rs"), "{}", run.said());
    let left = std::fs::read_dir(world.path("tmp")).unwrap().count();
    assert_eq!(left, 1, "the run's own directory is left");
}

#[test]
fn where_nothing_can_be_captured_a_run_is_confined_and_says_why() {
    let world = World::new();
    if confined(&world).is_none() {
        return;
    }
    let off = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    let told = |tier: &[&str]| {
        let words = [&["run", "--agent", "bot"], tier, &["--", "true"]].concat();
        let wanted = world.words(&words);
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "sh", "-c", off, "sh"]);
        command.arg(wanted.get_program()).args(wanted.get_args()).env_clear();
        command.envs(wanted.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("PATH", std::env::var_os("PATH").unwrap());
        let output = command.current_dir(wanted.get_current_dir().unwrap()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = told(&[]);
    assert_eq!(code, Some(0), "{said}");
    for part in ["confined", "does not let a run be captured", "user.max_user_namespaces=0"] {
        assert!(said.contains(part), "`{part}`: {said}");
    }
    let (code, said) = told(&["--tier", "captured"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no run in tier captured here"), "{said}");
}
