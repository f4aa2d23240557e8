//! `marque log verify`

use std::path::{Path, PathBuf};

use clap::Args;
use marque_domain::Digest;
use marque_tlog::{Evidence, KeyChain, Report, VerifierKey};
use serde::Serialize;

use super::keys::{self, LogKeys, Problem, Rotated};
use super::source::LogSource;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::launch::anchor;

/// Most bytes of a file with anchors or a checkpoint.
const EVIDENCE_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Prove the log, offline; names the first bad entry
///
/// Reads every entry of the data directory, or of an export. A log is proved relative to something
/// its keeper could not change: the anchors that launchers keep outside the data directory (used by
/// themselves if there are any), a checkpoint, or the size and root a run printed at its end.
/// Without one the log is only consistent with itself. Needs no server. Exits with 1 if the log
/// does not hold.
///
/// Where the log's key was rotated, any key it ever had will do: what earlier keys signed counts
/// up to the entry that retired them.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque log verify
  marque log verify --against checkpoint.txt
  marque log verify --against 42:sha256:…
  marque log verify --export log.jsonl --key 'example.com/log+1a2b3c4d+…'")]
pub(crate) struct Verify {
    /// Anchors, a checkpoint, or a printed `SIZE:ROOT` to hold it against; may be repeated
    #[arg(long, value_name = "FILE|SIZE:ROOT")]
    against: Vec<String>,
    /// Verify this export instead of the data directory
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// The log's public key, as `marque claim` printed it
    #[arg(long, value_name = "VKEY")]
    key: Option<String>,
}

/// What was found, for scripts.
#[derive(Serialize)]
struct Found {
    ok: bool,
    size: u64,
    root: Digest,
    /// The size up to which the log's own checkpoints agree.
    signed: u64,
    /// Sizes confirmed from outside.
    anchored: Vec<u64>,
    first_bad: Option<u64>,
    last_bad: Option<u64>,
    /// In words.
    report: String,
    /// What it was held against.
    against: Vec<String>,
    log_key: String,
    /// Each rotation of the key.
    rotations: Vec<Rotated>,
    /// Whether the key came with the export itself.
    key_is_its_own: bool,
}

impl Verify {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let source = match &self.export {
            Some(path) => LogSource::of_export(path)?,
            None => LogSource::of_plane(context)?,
        };
        let key = self.key(&source)?;
        let mut keys = LogKeys::new(source.key_records(), key);
        let mut evidence = Evidence::new(keys.chain().clone());
        source.checkpoints().iter().for_each(|note| evidence.own_checkpoint(note));
        let against = self.against(context, keys.chain());
        for named in &against {
            hold_against(&mut evidence, named)?;
        }
        let mut misfiled = source.first_misfiled()?;
        let mut verifier = evidence.verifier();
        source.each(|entry| {
            let says_another = || entry.entry().is_ok_and(|own| own.index != entry.index);
            if self.export.is_some() && misfiled.is_none() && says_another() {
                misfiled = Some(entry.index);
            }
            keys.see(&entry);
            verifier.entry(entry.index, &entry.bytes, &entry.leaf)
        })?;
        let report = verifier.finish();
        let moved = misfiled.map(|index| Problem {
            index,
            words: "filed under other words than it says".to_owned(),
        });
        let problems = [moved, keys.problem(report.size)].into_iter().flatten();
        let first = problems.min_by_key(|problem| problem.index);
        let mut found = Found::new(&report, first, against, &keys);
        found.key_is_its_own = self.export.is_some() && self.key.is_none();
        let exit = if found.ok { Exit::Done } else { Exit::Failed };
        context.output.result(&found, text)?;
        Ok(exit)
    }

    fn key(&self, source: &LogSource) -> Result<VerifierKey, Failure> {
        let text = self.key.as_deref().or(source.log_key()).ok_or_else(|| {
            Failure::new(Exit::Failed, "the log's public key is not beside the log")
                .hint("give it with `--key`, as `marque claim` printed it")
        })?;
        text.trim().parse().map_err(|error: marque_tlog::Error| {
            Failure::new(Exit::Usage, error.to_string())
                .hint("`marque claim` printed it, and `log.vkey` in the data directory holds it")
        })
    }

    /// What was named, else the anchors that lie here for this log, of each of its keys.
    fn against(&self, context: &Context, keys: &KeyChain) -> Vec<String> {
        if !self.against.is_empty() || self.export.is_some() {
            return self.against.clone();
        }
        let files = keys.keys().filter_map(|(key, _)| anchor::file(&context.environment, key).ok());
        files.filter(|file| file.exists()).map(|file| file.display().to_string()).collect()
    }
}

fn hold_against(evidence: &mut Evidence, named: &str) -> Result<(), Failure> {
    if let Some((size, root)) = printed(named) {
        evidence.printed(size, root);
        return Ok(());
    }
    let text = read(Path::new(named))?;
    // A note on its own is not a record of anchors, which ends with an empty line.
    let Err(why) = evidence.anchors(&text) else { return Ok(()) };
    evidence.checkpoint(&text).map_err(|_| {
        Failure::new(Exit::Failed, format!("`{named}` cannot be held against the log: {why}"))
            .hint("is it of another plane? give that plane's key with `--key`")
    })
}

/// `SIZE:sha256:HEX`, as a run prints it at its end.
fn printed(named: &str) -> Option<(u64, Digest)> {
    let (size, root) = named.split_once(':')?;
    Some((size.parse().ok()?, root.parse().ok()?))
}

fn read(path: &Path) -> Result<String, Failure> {
    let failed =
        |why: &str| Failure::new(Exit::Failed, format!("cannot read `{}`: {why}", path.display()));
    let found = std::fs::metadata(path).map_err(|error| failed(&error.to_string()))?;
    if found.len() > EVIDENCE_MAX_BYTES {
        return Err(failed("it is longer than 64 MiB"));
    }
    std::fs::read_to_string(path).map_err(|error| failed(&error.to_string()))
}

impl Found {
    fn new(
        report: &Report,
        problem: Option<Problem>,
        against: Vec<String>,
        keys: &LogKeys,
    ) -> Self {
        let fault = report.first_bad.as_ref();
        // An entry that says another index than its place was moved there, and that can be seen
        // before the first place that some evidence from outside speaks of. So can a key that is
        // not the log's.
        let problem =
            problem.filter(|problem| fault.is_none_or(|fault| problem.index <= fault.first));
        let index = problem.as_ref().map(|problem| problem.index);
        let first = index.or(fault.map(|fault| fault.first));
        let last = fault.map(|fault| fault.last).or(index);
        let mut words = report.to_string();
        if let Some(Problem { index, words: what }) = problem {
            words = format!("entry {index}: {what}\n{words}");
        }
        Self {
            ok: first.is_none(),
            size: report.size,
            root: report.root,
            signed: report.signed,
            anchored: report.anchored.sizes.clone(),
            first_bad: first,
            last_bad: last,
            report: words,
            against,
            log_key: keys.chain().trusted().to_string(),
            rotations: keys.rotations(),
            key_is_its_own: false,
        }
    }
}

fn text(found: &Found) -> String {
    let against = match found.against.as_slice() {
        [] => "held against nothing from outside: give `--against` to prove more".to_owned(),
        named => format!("held against {}", named.join(", ")),
    };
    let whose = if found.key_is_its_own {
        "\nthe key came with the export: give `--key` to know whose log this is"
    } else {
        ""
    };
    let keys = keys::text(&found.rotations, &found.log_key);
    format!("{}{keys}\n{against}{whose}", found.report)
}
