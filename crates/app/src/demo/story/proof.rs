//! After the run: what the log tells, and what proves it.

use std::path::Path;

use anyhow::Context as _;
use marque_domain::LogEntry;

use super::{AGENT, Seen, Story, TASK};
use crate::demo::ground::{Said, one_line};
use crate::demo::journal::{GitLine, Line};
use crate::demo::judge::judge;
use crate::demo::rewrite::{SCAPEGOAT, rewrite};

/// What the launcher printed and kept when the run ended.
struct Kept {
    /// `SIZE:ROOT`.
    checkpoint: String,
    /// The file of anchors.
    anchors: String,
}

impl Story {
    fn kept(&self) -> anyhow::Result<Kept> {
        let farewell = self.farewell.as_deref().context("not tried: no run has ended")?;
        let after = |mark: &str| {
            let found = farewell.lines().find_map(|line| line.strip_prefix(mark));
            let found = found.map(|rest| rest.trim_matches('`').to_owned());
            found.with_context(|| format!("the launcher said only: {}", one_line(farewell)))
        };
        let (checkpoint, anchors) = (after("marque: checkpoint ")?, after("marque: anchored in ")?);
        // As seen from where the human sits.
        let anchors = match Path::new(&anchors).strip_prefix(self.ground.root()) {
            Ok(inside) => format!("../{}", inside.display()),
            Err(_) => anchors,
        };
        Ok(Kept { checkpoint, anchors })
    }

    /// Holds the data directory against what the launcher printed and kept.
    async fn verify(&mut self) -> anyhow::Result<Said> {
        let Kept { checkpoint, anchors } = self.kept()?;
        let words = ["log", "verify", "--against", &checkpoint, "--against", &anchors];
        self.ground.marque(&words).await
    }
}

/// The checkpoint is printed, and lies outside the data directory.
pub(super) fn anchored(story: &Story) -> anyhow::Result<Seen> {
    let Kept { checkpoint, anchors } = story.kept()?;
    let file = story.ground.at_desk(&anchors).canonicalize()?;
    let kept = std::fs::read_to_string(&file)?;
    let leaves = kept.lines().filter(|line| line.starts_with("leaf ")).count();
    let outside = !file.starts_with(story.ground.data().canonicalize()?);
    Ok(Seen {
        command: String::new(),
        observed: format!("{checkpoint}\nkept with {leaves} leaves in `{anchors}`"),
        ok: outside && leaves > 0,
    })
}

/// One sentence for each thing that happened.
pub(super) async fn told(story: &mut Story) -> anyhow::Result<Seen> {
    let run = story.run()?.to_owned();
    let said = story.must(&["log", "query", "--run", &run]).await?;
    let about = format!("; task {TASK}, for nobody, {run}");
    let agent = format!("{AGENT}@v1 ");
    let own_branch = "code:git.push acme/web refs/heads/agent/fix";
    let main = "code:git.push acme/web refs/heads/main";
    let wanted = [
        [&agent, "demo:POST /v1/items was allowed", "under `demo:POST /v1/items`", &about],
        [&agent, "demo:POST /v1/orders was allowed", "under `demo:POST /v1/orders`", &about],
        [&agent, "POST /v1/orders", "was held, refused.mandate.", &about],
        [&agent, "DELETE /v1/items/7", "was refused, refused.mandate.", &about],
        [&agent, "connect", "files.elsewhere.test", "was refused, refused.mandate."],
        [&agent, own_branch, "was allowed under", &about],
        [&agent, main, "was allowed under", &about],
        [&agent, main, "was held, refused.mandate.", &about],
        [&agent, "code:repo.read acme/secret", "was refused, refused.mandate.", &about],
        ["dec_", "was cut by a kill", "bytes sent", "received"],
    ];
    let says = |line: &str, words: &[&str]| words.iter().all(|word| line.contains(word));
    let told = |words: &[&str]| said.out.lines().find(|line| says(line, words));
    let missing = wanted.iter().find(|words| told(words.as_slice()).is_none());
    let example = told(&[&agent, "was allowed under `demo:POST /v1/items`"]);
    let observed = match missing {
        None => format!("{} entries, such as\n{}", said.out.lines().count(), shortened(example)),
        Some(words) => format!("no entry says: {}", words.join(" … ")),
    };
    let ok = missing.is_none();
    Ok(Seen { command: said.command, observed, ok })
}

/// A log line without its index and moment.
fn shortened(sentence: Option<&str>) -> String {
    let words = sentence.and_then(|sentence| sentence.split_once("Z "));
    words.map(|(_, words)| words.trim().to_owned()).unwrap_or_default()
}

/// The hosts' notes against the plane's entries.
pub(super) async fn judged(story: &mut Story) -> anyhow::Result<Seen> {
    let run = story.run()?.to_owned();
    let said = story.must(&["log", "query", "--run", &run, "--limit", "1000", "--json"]).await?;
    let entries: Vec<LogEntry> = serde_json::from_str(&said.out)?;
    let (notes, git_notes) = (story.notes()?, story.git_notes()?);
    let calls = notes.iter().filter(|line| line.is_right).map(Line::effect);
    let git_calls = git_notes.iter().filter(|line| line.is_right).map(GitLine::effect);
    let uses: Vec<String> = calls.chain(git_calls).collect();
    let judgement = judge(&entries, &uses);
    let without = notes.len() + git_notes.len() - uses.len();
    let observed = match judgement.faults.as_slice() {
        [] => format!(
            "{} calls allowed and noted, {} stopped and not noted, {without} without a token",
            judgement.agreed, judgement.stopped
        ),
        faults => faults.join("; "),
    };
    // One came without to each host before the plane was there, and one past it, unless the run is
    // captured.
    let expected = if story.is_captured()? { 2 } else { 3 };
    let ok = judgement.faults.is_empty() && judgement.agreed > 0 && without == expected;
    Ok(Seen { command: said.command, observed, ok })
}

/// The plane still runs: nobody has to stop it to look.
pub(super) async fn verified(story: &mut Story) -> anyhow::Result<Seen> {
    let said = story.verify().await?;
    let ok = said.code == Some(0) && said.out.contains("anchored up to size");
    Ok(Seen { observed: report(&said), ok, command: said.command })
}

/// The forgery, and the proof that it is a good one.
pub(super) async fn forged(story: &mut Story) -> anyhow::Result<Seen> {
    anyhow::ensure!(story.server.is_none(), "not tried: the server still runs");
    let index = rewrite(&story.ground.data())?;
    story.forged = Some(index);
    story.ground.must(&["log", "export", "--to", "forged.jsonl"]).await?;
    let said = story.ground.marque(&["log", "verify", "--export", "forged.jsonl"]).await?;
    let ok = said.code == Some(0) && said.out.contains("consistent with itself");
    let observed = format!("entry {index} now names `{SCAPEGOAT}`\n{}", report(&said));
    Ok(Seen { command: said.command, observed, ok })
}

pub(super) async fn found(story: &mut Story) -> anyhow::Result<Seen> {
    let index = story.forged.context("not tried: nothing was rewritten")?;
    let said = story.verify().await?;
    let ok = said.code == Some(1) && said.out.starts_with(&format!("entry {index}: "));
    Ok(Seen { observed: report(&said), ok, command: said.command })
}

/// What the verifier found, without the repetition of what it was held against.
fn report(said: &Said) -> String {
    let lines = said.out.lines().chain(said.err.lines());
    let found = lines.filter(|line| !line.starts_with("held against"));
    let code = said.code.map_or_else(|| "none".to_owned(), |code| code.to_string());
    std::iter::once(format!("exit code {code}"))
        .chain(found.map(str::to_owned))
        .collect::<Vec<_>>()
        .join("\n")
}
