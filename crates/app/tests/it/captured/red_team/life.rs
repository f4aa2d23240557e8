//! The run's life: nothing of it goes on after its end, whoever ends it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::super::super::support::{World, eventually, signal};

/// A process that leaves its parent twice over, its session and its streams, and goes on.
const DAEMON: &str = "import os,sys,time\n\
    if os.fork(): sys.exit()\n\
    os.setsid()\n\
    if os.fork(): sys.exit()\n\
    import signal\n\
    for n in (1,2,3,15): signal.signal(n, signal.SIG_IGN)\n\
    for fd in range(3): os.close(fd)\n\
    os.open('/dev/null', 2); os.dup(0); os.dup(0)\n\
    while True:\n\
    \x20   open('alive','a').write('x'); time.sleep(0.02)\n";

#[test]
fn a_child_that_outlives_its_parents_ends_with_the_run() {
    let world = World::new();
    world.write("work/daemon.py", DAEMON);
    let alive = world.path("work/alive");
    let length = || std::fs::metadata(&alive).map_or(0, |found| found.len());
    // Outside it lives on.
    world.tool("sh", &["-c", "/usr/bin/python3 daemon.py; sleep 0.2"]).ok();
    let before = length();
    eventually("it lives outside", || (length() > before).then_some(()));
    let pattern = format!("{}\0", "daemon.py");
    let found = std::fs::read_dir("/proc").unwrap().flatten().find(|entry| {
        let is_ours =
            std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == world.path("work"));
        is_ours
            && std::fs::read_to_string(entry.path().join("cmdline"))
                .is_ok_and(|line| line.ends_with(&pattern))
    });
    let pid = found.unwrap().file_name().to_str().unwrap().parse().unwrap();
    signal(pid, rustix::process::Signal::KILL);
    eventually("it is gone", || {
        (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    });

    let mut run = world.captured();
    run.types("/usr/bin/python3 daemon.py");
    let before = length();
    eventually("it lives inside", || (length() > before).then_some(()));
    assert_eq!(run.ends(), 0);
    let after = length();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(length(), after, "it lives on after its run");
}

#[test]
fn a_killed_launcher_takes_everything_inside_with_it() {
    let world = World::new();
    world.write("work/daemon.py", DAEMON);
    let alive = world.path("work/alive");
    let length = || std::fs::metadata(&alive).map_or(0, |found| found.len());
    let mut run = world.captured();
    run.types("/usr/bin/python3 daemon.py");
    eventually("it lives inside", || (length() > 0).then_some(()));
    signal(run.launcher.id(), rustix::process::Signal::KILL);
    run.launcher.wait().unwrap();
    let mut last = length();
    eventually("it ends", || {
        std::thread::sleep(Duration::from_millis(200));
        let now = length();
        let is_over = now == last;
        last = now;
        is_over.then_some(())
    });
    eventually("the server closes the run", || {
        let shown = world.json(&["run", "show", &run.id]);
        (shown["state"] != "open").then_some(())
    });
}

// threat 178
#[test]
fn a_kill_cuts_what_is_open_and_nothing_answers_afterwards() {
    let world = World::new();
    let mut run = world.captured();
    let slow = "curl -sSN -o slow http://plain.test/v1/slow; echo cut:$? > over";
    run.begins(&format!("({slow}) & sleep 60"));
    let read =
        |name: &str| std::fs::read_to_string(world.path("work").join(name)).unwrap_or_default();
    eventually("it streams", || read("slow").contains("tick").then_some(()));
    let began = Instant::now();
    world.cli(&["kill", &run.id]).ok();
    assert_eq!(run.code(), 137);
    assert!(began.elapsed() < Duration::from_secs(8), "it took {:?}", began.elapsed());
    let length = read("slow").len();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(read("slow").len(), length, "it streams on");
}

#[test]
fn a_server_that_ended_is_no_way_through_and_the_next_one_knows_no_door_without_its_launcher() {
    let mut world = World::new();
    let mut run = world.captured();
    assert_eq!(run.curl("http://plain.test/v1/a").0, 200);
    // What asks on and on, and writes down what it was told.
    let asks = "while :; do curl -sS -m 1 http://plain.test/v1/b >> told 2>/dev/null; echo asked >> asked; done";
    run.begins(&format!("trap '' TERM HUP INT; {asks}"));
    let read = |world: &World, name: &str| {
        std::fs::read_to_string(world.path("work").join(name)).unwrap_or_default()
    };
    eventually("it asks", || read(&world, "told").contains("/v1/b").then_some(()));
    world.kill_server();
    let told = read(&world, "told").len();
    let asked = read(&world, "asked").len();
    eventually("it asks in vain", || (read(&world, "asked").len() > asked + 6).then_some(()));
    assert!(read(&world, "told").len() - told < 200, "nothing answers without a server");
    let saw = world.plain.saw().len();
    signal(run.launcher.id(), rustix::process::Signal::KILL);
    run.launcher.wait().unwrap();
    world.serve();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(world.plain.saw().len(), saw, "nothing came afterwards");
    world.cli(&["kill", &run.id]).ok();
    assert_eq!(world.json(&["run", "show", &run.id])["state"], "killed");
}

#[test]
fn a_door_of_a_run_that_is_over_answers_nobody() {
    let world = World::new();
    let mut run = world.captured();
    assert_eq!(run.curl("http://plain.test/v1/a").0, 200);
    // Somebody outside enters the run's network, as nobody inside could, and keeps a connection.
    let at = format!("/proc/{}/task/{0}/children", run.launcher.id());
    let first = std::fs::read_to_string(at).unwrap();
    let first = first.split_ascii_whitespace().next().unwrap().to_owned();
    let Ok(net) = std::fs::File::open(format!("/proc/{first}/ns/net")) else {
        return super::team::skipped("nobody may enter the network of a run from outside here");
    };
    let entered = std::thread::spawn(move || {
        let kind = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(net.as_fd(), kind).unwrap();
        let connected = TcpStream::connect(("192.0.2.1", 80)).unwrap();
        (connected, net)
    });
    let (mut connected, _net) = entered.join().unwrap();
    run.ends();
    connected.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let _gone = connected.write_all(b"GET /v1/late HTTP/1.1\r\nHost: plain.test\r\n\r\n");
    let mut answer = String::new();
    let _end = connected.read_to_string(&mut answer);
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(world.plain.saw().len(), 1, "only the first call arrived");
}
