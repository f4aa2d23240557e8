//! What humans do while the server may be killed, and what they were promised if it answered.

use std::process::{Child, Stdio};

use super::super::support::{Json, Run, World, eventually};
use super::ledger::Ledger;

/// How many kinds of acts there are.
pub(super) const KINDS: usize = 9;

/// A human's command under way, and what holds from then on if it ends well.
pub(super) struct Act {
    command: Child,
    promise: Promise,
}

/// What must be in the log and in force.
struct Promise {
    /// Words of one entry.
    told: Vec<String>,
    /// The command that shows it, and words of what it shows.
    shown: Vec<String>,
    says: Vec<String>,
    /// Whether what the command printed must be in both: `id`, `new`.
    names: Option<&'static str>,
}

/// The captured run of a round, if it has one: it outlives the server.
pub(super) enum Lasting {
    /// None.
    None,
    /// It calls in a loop, and is being killed.
    Doomed(Run),
    /// Its call waits for an approval.
    Held(Run, String),
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What the act of that kind needs before anything is under way.
pub(super) fn prepares(world: &World, kind: usize, round: usize) -> Lasting {
    let name = format!("agent-{round}");
    match kind {
        1 => {
            let mut run = world.captured();
            let call = format!("curl -sS -m 2 http://plain.test/v1/doomed-{round} >&2");
            run.begins(&format!("(while :; do {call}; done) 2>/dev/null &"));
            let target = format!("/v1/doomed-{round}");
            eventually("it calls", || {
                world.plain.saw().iter().any(|seen| seen.target() == target).then_some(())
            });
            Lasting::Doomed(run)
        }
        3 => {
            let mut run = world.captured();
            assert_eq!(run.curl(&orders(round)).0, 403);
            let waiting = world.json(&["approval", "list"]);
            let mine = |one: &&Json| one.to_string().contains(&run.id);
            let one = waiting.as_array().unwrap().iter().find(mine).unwrap();
            let id = one["approval"]["id"].as_str().unwrap().to_owned();
            Lasting::Held(run, id)
        }
        5 | 7 | 8 => {
            world.cli(&["agent", "add", &name, "--purpose", "-"]).ok();
            Lasting::None
        }
        _ => Lasting::None,
    }
}

fn orders(round: usize) -> String {
    format!("-X POST 'http://plain.test/v1/orders?{round}'")
}

impl Act {
    /// Begins the act of that kind.
    pub(super) fn begins(world: &World, (kind, round): (usize, usize), lasting: &Lasting) -> Self {
        let name = format!("agent-{round}");
        let grant = ["--until", "1d", "--allow", "plain:GET /other/**"];
        let (words, promise) = match (kind, lasting) {
            (1, Lasting::Doomed(run)) => (
                texts(&["kill", &run.id]),
                promise(&["run_closed", "killed", &run.id], &["run", "show", &run.id], &["killed"]),
            ),
            (2, _) => {
                let (host, pin) = (format!("c{round}.test"), world.plain.address.to_string());
                let secret = world.path("secret").display().to_string();
                let name = format!("connection-{round}");
                let to = ["--host", &host, "--plain-http", "--bearer", "--pin", &pin];
                let add = ["connection", "add", &name, "--secret-file", &secret];
                let told = ["connection.added", &format!("\"{name}\"")];
                let shown = ["connection", "show", &name];
                (texts(&[&add[..], &to].concat()), promise(&told, &shown, &["\"live\""]))
            }
            (3, Lasting::Held(_, id)) => (
                texts(&["approval", "give", id]),
                promise(&["approval.given", id], &["approval", "show", id], &["\"given\""]),
            ),
            (4, _) => rotates("log", "log_key_rotated"),
            (6, _) => rotates("git", "git_key_rotated"),
            (5, _) => {
                let of = promise(&["grant.added"], &["grant", "list"], &["\"live\""]);
                let words = texts(&[&["grant", "add", &name], &grant[..]].concat());
                (words, Promise { names: Some("id"), ..of })
            }
            (7, _) => (
                texts(&["agent", "suspend", &name]),
                promise(&["agent.suspended", &name], &["agent", "show", &name], &["suspended"]),
            ),
            (8, _) => (
                texts(&["agent", "limit", &name, "--calls-per-day", "7"]),
                promise(&["agent.limited", &name], &["agent", "show", &name], &["\"calls\":7"]),
            ),
            _ => (
                texts(&["agent", "add", &name, "--purpose", "-"]),
                promise(&["agent.added", &name], &["agent", "show", &name], &["\"active\""]),
            ),
        };
        let words: Vec<&str> = words.iter().map(String::as_str).chain(["--json"]).collect();
        let mut command = world.words(&words);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        Self { command, promise }
    }

    /// Waits until the command has ended, and takes nothing of it.
    pub(super) fn is_answered(&mut self) {
        eventually("the human is answered", || self.command.try_wait().unwrap());
    }

    /// Waits for the command; what it promised, if it ended well.
    pub(super) fn ends(self) -> Option<Kept> {
        let Self { command, mut promise } = self;
        let ended = command.wait_with_output().unwrap();
        if !ended.status.success() {
            return None;
        }
        if let Some(name) = promise.names {
            let printed: Json = serde_json::from_slice(&ended.stdout).unwrap();
            let named = printed[name].as_str().unwrap().to_owned();
            promise.told.push(named.clone());
            promise.says.push(named);
        }
        Some(Kept(promise))
    }
}

fn promise(told: &[&str], shown: &[&str], says: &[&str]) -> Promise {
    Promise { told: texts(told), shown: texts(shown), says: texts(says), names: None }
}

fn rotates(key: &str, told: &str) -> (Vec<String>, Promise) {
    let of = promise(&[told], &["key", "list"], &["\"active\""]);
    (texts(&["key", "rotate", key]), Promise { names: Some("new"), ..of })
}

/// A promise that somebody was given.
pub(super) struct Kept(Promise);

impl Kept {
    /// It is in the log.
    pub(super) fn is_told(&self, ledger: &Ledger) {
        assert!(
            ledger.tells(&self.0.told),
            "promised, and no entry tells of it: {:?}",
            self.0.told
        );
    }

    /// It is in force.
    pub(super) fn is_in_force(&self, world: &World) {
        let words: Vec<&str> = self.0.shown.iter().map(String::as_str).collect();
        let shown = world.json(&words);
        let says = |one: &Json| self.0.says.iter().all(|word| one.to_string().contains(word));
        let mut all = shown.as_array().map_or_else(|| vec![&shown], |many| many.iter().collect());
        all.retain(|one| says(one));
        assert_eq!(all.len(), 1, "promised {:?}, and not in force: {shown}", self.0.says);
    }
}

impl Lasting {
    /// What a run that outlives its server does after the restart: a kill that was promised stays,
    /// and an approval serves once, if it was given.
    pub(super) fn goes_on(self, world: &World, round: usize, is_promised: bool) {
        let is_back = |run: &Run| run.said().contains("the server is back");
        match self {
            Self::None => {}
            Self::Doomed(mut run) => {
                if is_promised {
                    assert_eq!(run.code(), 137, "{}", run.said());
                    return;
                }
                // Whether it was killed is the log's to say.
                eventually("it is back, or told that it was killed", || {
                    let is_over = run.launcher.try_wait().unwrap().is_some();
                    (is_over || is_back(&run)).then_some(())
                });
            }
            Self::Held(mut run, id) => {
                eventually("it is back", || is_back(&run).then_some(()));
                let state = world.json(&["approval", "show", &id])["state"].clone();
                assert!(!is_promised || state == "given", "{state}");
                let first = run.curl(&orders(round)).0;
                assert_eq!(first, if state == "given" { 200 } else { 403 }, "{state}");
                assert_eq!(run.curl(&orders(round)).0, 403, "an approval served twice");
                assert_eq!(run.ends(), 0);
            }
        }
    }
}
