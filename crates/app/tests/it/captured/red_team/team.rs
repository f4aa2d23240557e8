//! Who tries everything twice, and writes down what came of it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::super::super::support::{Run, Told, World};
use super::attacker::{Inside, Outside};
use super::canary::Canary;

/// The attacks themselves.
const PROBE: &str = include_str!("probe.py");
/// Not one of a version manager's in somebody's home.
pub(super) const PYTHON: &str = "/usr/bin/python3";

/// The world of those who leave no trace in it that another would stumble over. A world takes a
/// second to make; this one is there as long as somebody uses it.
static SHARED: Mutex<Weak<World>> = Mutex::new(Weak::new());

/// That world.
pub(super) fn shared() -> Arc<World> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let world = Arc::new(World::new());
        probe(&world);
        *shared = Arc::downgrade(&world);
        world
    })
}

/// The path of the attacks in a world.
fn probe(world: &World) -> PathBuf {
    let path = world.path("work/probe.py");
    if path.exists() { path } else { world.write("work/probe.py", PROBE) }
}

/// A captured run, and somebody outside it with the same words.
pub(super) struct Team {
    pub(super) world: Arc<World>,
    pub(super) run: Run,
    outside: Outside,
    inside: Inside,
    canaries: Vec<Canary>,
    tried: usize,
    failures: String,
}

impl Team {
    /// One with a world of its own. Whatever must lie there before the run begins is laid by
    /// `before`.
    pub(super) fn new<T>(before: impl FnOnce(&World) -> T) -> (Self, T) {
        Self::within(Arc::new(World::new()), before)
    }

    /// One that shares its world, and lays nothing in the working directory.
    pub(super) fn sharing<T>(before: impl FnOnce(&World) -> T) -> (Self, T) {
        Self::within(shared(), before)
    }

    fn within<T>(world: Arc<World>, before: impl FnOnce(&World) -> T) -> (Self, T) {
        let laid = before(&world);
        let (outside, inside) = (Outside::new(&world, &probe(&world)), Inside::default());
        let run = world.captured();
        let (canaries, failures) = (Vec::new(), String::new());
        (Self { world, run, outside, inside, canaries, tried: 0, failures }, laid)
    }

    /// Nothing inside may get through to it.
    pub(super) fn watches(&mut self, canary: &Canary) {
        self.canaries.push(canary.clone());
    }

    /// Tries an attack with the same words outside and inside.
    pub(super) fn tries(&mut self, name: &str, words: &[&str]) {
        self.tries_as(name, words, words);
    }

    /// The same, where it is called differently inside.
    pub(super) fn tries_as(&mut self, name: &str, outside: &[&str], inside: &[&str]) {
        self.tried += 1;
        let reached = self.outside.tries(outside);
        match reached.code {
            0 if reached.out.trim() == "reached" => {}
            4 => return skipped(&format!("{name}: {}", reached.out.trim())),
            _ => return self.fails(name, &format!("is blind: {reached:?}")),
        }
        let before = self.heard();
        let tried = self.inside.tries(&mut self.run, inside);
        let is_stopped = match tried.code {
            1 => tried.out.starts_with("stopped: "),
            // The kernel ended it.
            code => code > 128,
        };
        if !is_stopped || tried.out.contains("reached") {
            self.fails(name, &format!("was not stopped: {tried:?}"));
        }
        if self.heard() != before {
            self.fails(name, "got through to its canary");
        }
    }

    /// What must work outside, so that there is something to attack.
    #[track_caller]
    pub(super) fn prepares(&mut self, words: &[&str]) {
        let prepared = self.outside.tries(words);
        assert_eq!(prepared.code, 0, "{prepared:?}");
    }

    /// Fails with everything that went wrong, or that nothing was tried.
    #[track_caller]
    pub(super) fn reports(self) {
        assert!(self.failures.is_empty(), "{}", self.failures);
        assert!(self.tried > 0, "nothing was tried");
    }

    pub(super) fn fails(&mut self, name: &str, why: &str) {
        writeln!(self.failures, "{name}: {why}").unwrap();
    }

    fn heard(&self) -> Vec<usize> {
        self.canaries.iter().map(Canary::heard).collect()
    }
}

/// What an attack says that is started by `prefix`, a line of shell that ends before its words:
/// first as it is, then as the command of a captured run.
pub(super) fn both(world: &World, prefix: &str, words: &str) -> [Told; 2] {
    let probe = probe(world);
    let probe = format!("{PYTHON} {} {words}", probe.display());
    let launcher = super::super::super::support::BINARY;
    let captured = format!("{launcher} run --tier captured --agent bot --task ticket:OPS-12 -- ");
    [String::new(), captured].map(|launcher| {
        let line = prefix.replace("PROBE", &format!("{launcher}{probe}"));
        world.tool("sh", &["-c", &line])
    })
}

/// Asserts that it was reached outside and stopped inside.
#[track_caller]
pub(super) fn only_outside(name: &str, [outside, inside]: &[Told; 2]) {
    let is_reached = outside.code == 0 && outside.out.contains("reached");
    assert!(is_reached, "{name} is blind: {}", outside.whole());
    let is_stopped = inside.code == 1 && inside.out.contains("stopped: ");
    let is_reached = inside.out.contains("reached");
    assert!(is_stopped && !is_reached, "{name} was not stopped: {}", inside.whole());
}

/// A probe that goes on, as a process beside the test's; it ends with what is returned.
pub(super) fn beside(world: &World, words: &[&str], variables: &[(&str, &str)]) -> Beside {
    let probe = probe(world);
    let mut command: Command = world.command(PYTHON);
    command.arg(probe).args(words).envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let mut child = command.spawn().unwrap();
    let mut first = [0];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    Beside(child)
}

/// A process that ends when this is dropped.
pub(super) struct Beside(pub(super) std::process::Child);

impl Beside {
    pub(super) fn id(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Says aloud what this machine has nothing of; a failure where everything must be there.
pub(super) fn skipped(what: &str) {
    let said = format!("SKIPPED: {what}\n");
    let _ = std::io::stderr().write_all(said.as_bytes());
}

/// Whether this user may do what only root may; said aloud, and demanded in CI.
pub(super) fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        assert!(std::env::var_os("CI").is_none(), "the red team is to be root in CI");
        skipped("only root has what this attack is after");
    }
    is_root
}
