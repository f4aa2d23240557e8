//! `cargo xtask bench git`: clones and pushes through the gateway against the same without it.
//!
//! Rounds are interleaved, and every second one begins on the other side. What a transfer leaves
//! behind is removed outside the measured time.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use super::ground::Ground;
use super::noise::Commit;
use super::options::Options;
use super::report::{Report, Round, Stalls, Transfer};
use super::{binary, link, process, report};

/// Measures, tells, and fails where a bar is missed.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    if options.link.is_some() && !link::is_inside() {
        return link::enter();
    }
    let binary = binary::to_measure(options.binary.as_deref())?;
    let mut bench = Bench::set_up(&binary, options)?;
    let mut report = Report {
        machine: process::machine(),
        protocol: if options.is_http1 { "HTTP/1.1" } else { "HTTP/2" },
        size_mib: options.size_mib,
        link: options.link,
        idle_kib: bench.ground.server().resident_kib()?,
        clone: Vec::new(),
        push: Vec::new(),
        stalls: Stalls::default(),
    };
    for round in 0..options.rounds {
        report.clone.push(bench.whole_round(round, Bench::clone)?);
        report.push.push(bench.whole_round(round, Bench::push)?);
        eprintln!("round {} of {}, load {}", round + 1, options.rounds, process::load());
    }
    report.stalls = bench.stalls;
    report::print(&report, options.is_json)?;
    let missed = report.missed();
    ensure!(!options.has_bars || missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}

/// Transfers that stand still and whose round is begun anew. git can by itself, pushing over
/// HTTP/2: `git-remote-https` waits for more from `git send-pack`, which waits for the report.
const STALLS_MAX: usize = 5;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Direct,
    Inside,
}

/// One transfer on one side, in a round of that number; its seconds, none where it stood still.
type Act = fn(&mut Bench, Side, usize) -> anyhow::Result<Option<f64>>;

struct Bench {
    ground: Ground,
    /// `git` and its settings, as typed on both sides.
    git: String,
    /// The packs of the git host before anything is pushed.
    packs: BTreeSet<OsString>,
    stalls: Stalls,
}

impl Bench {
    fn set_up(binary: &Path, options: &Options) -> anyhow::Result<Self> {
        if options.link.is_some() {
            link::lay()?;
        }
        let ground = Ground::lay(binary)?;
        if let Some(megabits) = options.link {
            link::shape(ground.port(), megabits)?;
        }
        let files = options.size_mib;
        import(&ground, &ground.bare(), &Commit { folder: "cloned", files, seed: 1 })?;
        let source = ground.at("desk/source");
        let mut copy = ground.git();
        copy.args(["clone", "--quiet", "--bare"]).args([&ground.bare(), &source]);
        finish(copy)?;
        import(&ground, &source, &Commit { folder: "pushed", files, seed: 2 })?;
        let git = if options.is_http1 { "git -c http.version=HTTP/1.1" } else { "git" };
        let packs = packs(&ground.bare())?.into_iter().map(|(name, _)| name).collect();
        let mut bench = Self { ground, git: git.to_owned(), packs, stalls: Stalls::default() };
        // Whatever is done once is not part of a transfer.
        for side in [Side::Direct, Side::Inside] {
            bench.types(side, &format!("{git} ls-remote -q {}", bench.url(side)))?;
        }
        Ok(bench)
    }

    /// A round in which nothing stood still.
    fn whole_round(&mut self, number: usize, act: Act) -> anyhow::Result<Round> {
        loop {
            if let Some(round) = self.round(number, act)? {
                return Ok(round);
            }
            let stalls = self.stalls.direct + self.stalls.gateway;
            ensure!(stalls <= STALLS_MAX, "{stalls} transfers stood still: {:?}", self.stalls);
        }
    }

    /// One transfer on each side; none where one stood still.
    fn round(&mut self, number: usize, act: Act) -> anyhow::Result<Option<Round>> {
        if number.is_multiple_of(2) {
            let Some(direct_seconds) = act(self, Side::Direct, number)? else { return Ok(None) };
            let inside = self.watched(number, act)?;
            return Ok(inside.map(|inside| Round { direct_seconds, inside }));
        }
        let Some(inside) = self.watched(number, act)? else { return Ok(None) };
        let direct_seconds = act(self, Side::Direct, number)?;
        Ok(direct_seconds.map(|direct_seconds| Round { direct_seconds, inside }))
    }

    fn watched(&mut self, number: usize, act: Act) -> anyhow::Result<Option<Transfer>> {
        let server = self.ground.server();
        let before = server.begin()?;
        let Some(seconds) = act(self, Side::Inside, number)? else { return Ok(None) };
        Ok(Some(Transfer { seconds, cost: server.since(&before)? }))
    }

    // Without a work tree: writing one costs both sides the same, and would hide the difference.
    fn clone(&mut self, side: Side, _number: usize) -> anyhow::Result<Option<f64>> {
        let clone = self.ground.at("desk/clone");
        let command =
            format!("{} clone -q --no-checkout {} {}", self.git, self.url(side), clone.display());
        let seconds = self.types(side, &command)?;
        if clone.exists() {
            fs::remove_dir_all(clone)?;
        }
        Ok(seconds)
    }

    fn push(&mut self, side: Side, number: usize) -> anyhow::Result<Option<f64>> {
        let name = format!("refs/heads/agent/{number}");
        let source = self.ground.at("desk/source");
        let command =
            format!("{} -C {} push -q {} main:{name}", self.git, source.display(), self.url(side));
        let seconds = self.types(side, &command)?;
        if seconds.is_some() {
            self.unpush(&name)?;
        }
        Ok(seconds)
    }

    /// Takes a pushed branch out of the git host's repository, and the packs that came with it.
    fn unpush(&self, name: &str) -> anyhow::Result<()> {
        let bare = self.ground.bare();
        let mut delete = self.ground.git();
        delete.arg("-C").arg(&bare).args(["update-ref", "-d", name]);
        finish(delete)?;
        let new: Vec<_> =
            packs(&bare)?.into_iter().filter(|(name, _)| !self.packs.contains(name)).collect();
        ensure!(!new.is_empty(), "the push to `{name}` left no pack");
        for (_, path) in new {
            fs::remove_file(path)?;
        }
        Ok(())
    }

    fn types(&mut self, side: Side, command: &str) -> anyhow::Result<Option<f64>> {
        let (shell, stalls) = match side {
            Side::Direct => (&mut self.ground.direct, &mut self.stalls.direct),
            Side::Inside => (&mut self.ground.inside, &mut self.stalls.gateway),
        };
        let seconds = shell.must(command)?;
        *stalls += usize::from(seconds.is_none());
        Ok(seconds)
    }

    fn url(&self, side: Side) -> String {
        match side {
            Side::Direct => self.ground.direct_url(),
            Side::Inside => Ground::inside_url(),
        }
    }
}

fn packs(repository: &Path) -> anyhow::Result<Vec<(OsString, PathBuf)>> {
    let entries = fs::read_dir(repository.join("objects/pack"))?;
    entries.map(|entry| entry.map(|entry| Ok((entry.file_name(), entry.path())))?).collect()
}

/// Adds a commit to `main` of a repository, in a pack of its own.
fn import(ground: &Ground, repository: &Path, commit: &Commit) -> anyhow::Result<()> {
    let mut import = ground.git();
    import.arg("-C").arg(repository);
    // It does not get smaller, and trying takes long.
    import.args(["-c", "pack.compression=0", "fast-import", "--quiet"]);
    let mut import = import.stdin(Stdio::piped()).spawn()?;
    let input = import.stdin.take().context("no pipe to git")?;
    let written = commit.write(input);
    ensure!(import.wait()?.success(), "git does not take the commit `{}`", commit.folder);
    Ok(written?)
}

fn finish(mut command: Command) -> anyhow::Result<()> {
    let output = command.output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {}", error.trim());
    Ok(())
}
