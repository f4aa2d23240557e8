//! `marque run -- true` beside plain `true`, at a terminal that is unlocked.
//!
//! An unlock is bound to a terminal, so this program starts itself at one of its own, script(1)'s,
//! and measures there.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use serde_json::json;

use super::options::Options;
use super::site::{DATA, Site};
use crate::bench::clock::timed;

/// The word that it starts itself with: `bench AT_TERMINAL FILE MARQUE ROUNDS STARTS`.
const AT_TERMINAL: &str = "captured-at-terminal";
/// How long all of it may take.
const PATIENCE_SECONDS: &str = "900";

/// The seconds of each start in one round, by kind.
#[derive(Default)]
pub(super) struct Round {
    pub(super) plain: Vec<f64>,
    pub(super) advisory: Vec<f64>,
    pub(super) captured: Vec<f64>,
}

pub(super) fn measure(site: &Site, options: &Options) -> anyhow::Result<Vec<Round>> {
    let places = &site.places;
    let (file, session) = (places.at("starts.json"), places.at("session.sh"));
    let itself = std::env::current_exe().context("the path of this program")?;
    let marque = places.marque(DATA, &[]).get_program().to_owned();
    let marque = Path::new(&marque).display();
    let passphrase = places.at("passphrase");
    let text = format!(
        "unset MARQUE_PASSPHRASE_FILE\n\
         {marque} unlock --passphrase-file {} --ttl 15m || exit 1\n\
         exec {} bench {AT_TERMINAL} {} {marque} {} {}\n",
        passphrase.display(),
        itself.display(),
        file.display(),
        options.rounds,
        options.starts,
    );
    fs::write(&session, text)?;
    let mut script = places.command("timeout");
    script.args([PATIENCE_SECONDS, "script", "-qec", &format!("sh {}", session.display())]);
    script.arg("/dev/null").env("MARQUE_DATA", places.at(DATA));
    let output = script.output().context("`script` cannot be run")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "starts cannot be measured: {said}");
    parse(&fs::read_to_string(file)?)
}

/// What this program does at the terminal, if these are its words.
pub(crate) fn at_terminal(words: &[String]) -> Option<anyhow::Result<()>> {
    let (word, rest) = words.split_first()?;
    (word == AT_TERMINAL).then(|| {
        let [file, marque, rounds, starts] = rest else { bail!("it is started by itself alone") };
        let (rounds, starts): (usize, usize) = (rounds.parse()?, starts.parse()?);
        let rounds = (0..rounds).map(|number| round(marque, number, starts));
        let rounds = rounds.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(fs::write(file, serde_json::to_string(&rounds)?)?)
    })
}

fn round(marque: &str, number: usize, starts: usize) -> anyhow::Result<serde_json::Value> {
    let mut took = [Vec::new(), Vec::new(), Vec::new()];
    for start in 0..starts {
        let mut order = [0, 1, 2];
        if !(number + start).is_multiple_of(2) {
            order.reverse();
        }
        for which in order {
            let mut command = match which {
                0 => Command::new("true"),
                1 => of_run(marque, "advisory"),
                _ => of_run(marque, "captured"),
            };
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let (status, seconds) = timed(|| command.status());
            ensure!(status?.success(), "`{command:?}` failed");
            if let Some(took) = took.get_mut(which) {
                took.push(seconds);
            }
        }
    }
    let [plain, advisory, captured] = took;
    Ok(json!({ "plain": plain, "advisory": advisory, "captured": captured }))
}

fn of_run(marque: &str, tier: &str) -> Command {
    let mut command = Command::new(marque);
    command.args(["run", "--tier", tier, "--agent", "bench", "--", "true"]);
    command
}

fn parse(text: &str) -> anyhow::Result<Vec<Round>> {
    let rounds: Vec<serde_json::Value> = serde_json::from_str(text)?;
    let numbers = |round: &serde_json::Value, name: &str| {
        let all = round.get(name).and_then(serde_json::Value::as_array);
        all.into_iter().flatten().filter_map(serde_json::Value::as_f64).collect()
    };
    let each = rounds.iter().map(|round| Round {
        plain: numbers(round, "plain"),
        advisory: numbers(round, "advisory"),
        captured: numbers(round, "captured"),
    });
    Ok(each.collect())
}
