//! Clients that call, a human who governs, and somebody who opens runs: all at random.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use super::super::super::support::Dice;
use super::super::super::support::{Json, Proxy, hear_to_the_end};
use super::cluster::{AGENTS, Cluster, OpenRun, SERVERS, THRIFTY};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Refusals are cheap, and would be most of what there is.
const AFTER_A_NO: Duration = Duration::from_millis(10);
/// Runs that are kept open.
const RUNS: usize = 5;
/// Methods and the folders they go to.
const MIX: [(&str, &str); 3] =
    [("GET", "/v1/items"), ("POST", "/v1/items"), ("POST", "/v1/orders")];
const LINES: [&str; 5] = [
    "plain:GET /v1/**",
    "plain:POST /v1/items/**",
    "plain:POST /v1/orders/**",
    "plain:GET /v1/items/**",
    "plain:write /v1/**",
];

/// A call as its client saw it.
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) run: String,
    pub(super) began: Instant,
    pub(super) ended: Instant,
    pub(super) answer: Answer,
}

/// What a client was told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The upstream's own answer, whole.
    Yes,
    /// A refusal of that code.
    No(String),
    /// Nothing that can be relied on.
    Nothing,
}

/// What a human did and was told that it is done.
pub(super) struct Done {
    pub(super) verb: &'static str,
    /// The grant, approval or run.
    pub(super) what: String,
    pub(super) began: Instant,
    pub(super) ended: Instant,
}

/// Calls, one after another, each to a path of its own but for those that a human was asked about.
pub(super) fn calls(cluster: &Cluster, client: u64, mut dice: Dice) -> Vec<Asked> {
    let mut asked = Vec::new();
    let mut held: Vec<(OpenRun, String)> = Vec::new();
    while !cluster.is_over() {
        let again = (dice.throw(4) == 0).then(|| held.pop()).flatten();
        let (run, method, path) = if let Some((run, path)) = again {
            (run, "POST", path)
        } else {
            let runs = cluster.runs.lock().unwrap().clone();
            let Some(run) = dice.one_of(&runs).cloned() else {
                cluster.waits(Duration::from_millis(5));
                continue;
            };
            let (method, folder) = MIX[dice.throw(MIX.len())];
            (run, method, format!("{folder}/{client}-{}", asked.len()))
        };
        let door = cluster.doors[dice.throw(SERVERS)];
        let began = Instant::now();
        let answer = ask(&Proxy { address: door, ..run.proxy.clone() }, method, &path);
        let is_held = matches!(&answer, Answer::No(code) if code.contains("needs_approval"));
        let (ended, id) = (Instant::now(), run.proxy.run.clone());
        cluster.answered.fetch_add(usize::from(answer == Answer::Yes), Ordering::Relaxed);
        asked.push(Asked { path: path.clone(), run: id, began, ended, answer });
        if is_held && held.len() < 8 {
            held.push((run, path));
        }
        if !matches!(asked.last(), Some(Asked { answer: Answer::Yes, .. })) {
            cluster.waits(AFTER_A_NO);
        }
    }
    asked
}

fn ask(proxy: &Proxy, method: &str, path: &str) -> Answer {
    let Ok(mut stream) = TcpStream::connect(proxy.address) else { return Answer::Nothing };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!(
        "{method} http://plain.test{path} HTTP/1.1\r\nHost: plain.test\r\n{}Content-Length: 0\r\n\
         Connection: close\r\n\r\n",
        proxy.proof()
    );
    if stream.write_all(request.as_bytes()).is_err() {
        return Answer::Nothing;
    }
    let answer = hear_to_the_end(&mut stream);
    if answer.status == 200 && answer.text.ends_with("\"}") {
        return Answer::Yes;
    }
    let code = answer.text.split("refused.").nth(1);
    let code = code.map(|rest| rest.split(['"', ' ', '\r', '\n']).next().unwrap());
    code.map_or(Answer::Nothing, |code| Answer::No(format!("refused.{code}")))
}

/// Keeps some runs open, at whatever server.
pub(super) fn opens(cluster: &Cluster, mut dice: Dice) {
    let mut open: Vec<(Child, String)> = Vec::new();
    let agents = [AGENTS[0], AGENTS[1], THRIFTY.0];
    while cluster.waits(Duration::from_millis(20)) {
        open.retain_mut(|(child, id)| {
            let lives = child.try_wait().unwrap().is_none();
            if !lives {
                cluster.runs.lock().unwrap().retain(|run| run.proxy.run != *id);
            }
            lives
        });
        if open.len() < RUNS {
            let agent = agents[dice.throw(agents.len())];
            let old = dice.throw(4) == 0;
            let server = cluster.some_server(&mut dice);
            open.extend(server.and_then(|server| open_one(cluster, server, agent)));
            // Now and then one ends as a person would end it.
            if old && !open.is_empty() {
                drop(open[0].0.stdin.take());
            }
        }
    }
    for (mut child, _) in open {
        drop(child.stdin.take());
        let _ = child.wait();
    }
}

fn open_one(cluster: &Cluster, server: usize, agent: &'static str) -> Option<(Child, String)> {
    let script = "printf '%s\\n' \"$http_proxy\"; read -r end";
    let words = [
        "run",
        "--tier",
        "advisory",
        "--agent",
        agent,
        "--task",
        "ticket:history",
        "--",
        "sh",
        "-c",
        script,
    ];
    let (mut child, line) = cluster.commands(server, &words, |mut command| {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let line = first_line(&mut child);
        (child, line)
    });
    if !line.starts_with("http://") {
        // Killed, and not only asked: a launcher that waits for its server may wait long.
        let _ = child.kill();
        let _ = child.wait();
        return None;
    }
    let proxy = Proxy::parse(&line);
    let id = proxy.run.clone();
    cluster.runs.lock().unwrap().push(OpenRun { proxy, agent });
    Some((child, id))
}

fn first_line(child: &mut Child) -> String {
    let output = child.stdout.take().unwrap();
    let (sender, line) = sync_channel(1);
    thread::spawn(move || {
        let first = BufReader::new(output).lines().next();
        drop(sender.send(first.and_then(Result::ok).unwrap_or_default()));
    });
    line.recv_timeout(PATIENCE).unwrap_or_default()
}

/// Gives and takes away, at whatever server. What was acknowledged.
pub(super) fn governs(cluster: &Cluster, mut dice: Dice) -> Vec<Done> {
    let (mut done, mut counted) = (Vec::new(), 0);
    let mut grants: Vec<String> = Vec::new();
    while !cluster.is_over() {
        cluster.changed.fetch_add(done.len() - counted, Ordering::Relaxed);
        counted = done.len();
        let Some(server) = cluster.some_server(&mut dice) else { continue };
        let began = Instant::now();
        let mut says = |verb, words: &[&str]| {
            let told = tells(cluster, server, words)?;
            let what = told["id"].as_str().unwrap_or_default().to_owned();
            done.push(Done { verb, what: what.clone(), began, ended: Instant::now() });
            Some(what)
        };
        let agent = AGENTS[dice.throw(AGENTS.len())];
        match dice.throw(12) {
            0..=3 => {
                let part = ["--allow", "--allow", "--allow", "--allow", "--ask", "--never"];
                let part = part[dice.throw(part.len())];
                let line = LINES[dice.throw(LINES.len())];
                let words = ["grant", "add", agent, "--until", "30d", part, line];
                grants.extend(says("grant.added", &words));
            }
            4..=5 if !grants.is_empty() => {
                let grant = grants.swap_remove(dice.throw(grants.len()));
                says("grant.revoked", &["grant", "revoke", &grant]);
            }
            // Back at once, or for a while: a suspended agent shows nothing else.
            6 => {
                says("agent.suspended", &["agent", "suspend", agent]);
                says("agent.resumed", &["agent", "resume", agent]);
            }
            7 => {
                says("agent.resumed", &["agent", "resume", agent]);
            }
            8 => {
                let runs = cluster.runs.lock().unwrap().clone();
                if let Some(run) = dice.one_of(&runs).filter(|run| run.agent != THRIFTY.0) {
                    let run = run.proxy.run.clone();
                    if tells(cluster, server, &["kill", &run]).is_some() {
                        done.push(Done { verb: "kill", what: run, began, ended: Instant::now() });
                    }
                }
            }
            _ => {
                let waiting = tells(cluster, server, &["approval", "list"]);
                let first = waiting.as_ref().and_then(|all| all[0]["approval"]["id"].as_str());
                if let Some(id) = first
                    && tells(cluster, server, &["approval", "give", id]).is_some()
                {
                    let (verb, what) = ("approval.given", id.to_owned());
                    done.push(Done { verb, what, began, ended: Instant::now() });
                }
            }
        }
    }
    done
}

/// What a command said, if it succeeded.
fn tells(cluster: &Cluster, server: usize, words: &[&str]) -> Option<Json> {
    let words = [words, &["--json"]].concat();
    let output = cluster.commands(server, &words, |mut command| {
        command.stderr(Stdio::null());
        command.output().unwrap()
    });
    if !output.status.success() {
        return None;
    }
    Some(serde_json::from_slice(&output.stdout).unwrap_or_default())
}
