//! `marque run` in the tier `captured`: built before the run is opened, started after it.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use marque_domain::Tier;
use marque_plane::view::{EndedView, OpenedRunView};

use super::held::Held;
use super::open::Open;
use crate::capture::message::Start;
use crate::capture::stubs::{Theirs, stubs};
use crate::capture::{self, Stage, Unfit, doors, places};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::launch::bundle::{SYSTEM, merged};
use crate::launch::git::{self, GitSetup, WantedGit};
use crate::launch::{self, Laid, Reach, children};
use crate::output::clean;
use crate::place::anchors_dir;

/// Ports that every captured run listens on: the web, and what is refused with a reason.
const PORTS: [u16; 5] = [22, 53, 80, 443, 5432];
/// Most bytes of the kernel's list of sockets.
const SOCKETS_MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Most bytes of a tool's configuration that is passed on.
const SETTINGS_MAX_BYTES: u64 = 256 * 1024;
/// Where the run's git finds its own, below the run's directory.
const GIT: &str = "git";
const GIT_CONFIG: &str = "scratch/gitconfig";
/// Most changed files that are named at the end.
const NAMED_MAX: usize = 20;

impl Open {
    /// Builds the inside of the run, or falls back where that is allowed.
    pub(super) fn hold_tight(&self, context: &Context) -> Result<Held, Failure> {
        // A child is held as its parent is.
        if self.tier == Some(Tier::Advisory) || context.is_inside_a_run() {
            return Ok(Held::Advisory(None));
        }
        // What is inside becomes ours to end, whatever becomes of the process that starts it.
        children::adopt().map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot adopt what the command leaves: {error}"))
        })?;
        let home = context.environment.path("HOME").filter(|home| home.is_dir());
        let mut hidden = vec![context.data.path().to_owned(), context.config_file.clone()];
        hidden.extend(anchors_dir(&context.environment));
        hidden.extend(self.hide.iter().cloned());
        let program = std::env::current_exe().ok();
        let sockets = sockets();
        let built = Stage::build(&capture::Wanted {
            home: home.as_deref(),
            profile: self.home,
            directory: Path::new("."),
            hidden: &hidden,
            program: program.as_deref(),
            sockets: &sockets,
        })?;
        match built {
            Ok(stage) => Ok(Held::Captured(Box::new(stage))),
            Err(Unfit { step, why }) => self.fall_back(format!("cannot {step}: {why}")),
        }
    }

    fn captured_git(&self, context: &Context, opened: &OpenedRunView) -> GitSetup {
        let Some(git) = opened.git.as_ref().filter(|_| !self.no_git_identity) else {
            return GitSetup { files: Vec::new(), variables: Vec::new() };
        };
        moved(git::setup(&WantedGit {
            run: &opened.run,
            git,
            hosts: &git.hosts,
            dir: &Path::new(places::OWN).join(GIT),
            marque: &Path::new(places::PROGRAMS).join("marque"),
            inherited: &git::inherited(&context.environment),
        }))
    }

    fn fall_back(&self, why: String) -> Result<Held, Failure> {
        match self.tier {
            Some(wanted) => {
                let message = format!("no run in tier {wanted} here: {why}");
                Err(Failure::new(Exit::Failed, message)
                    .hint("`marque doctor` tells what this machine lacks"))
            }
            None => Ok(Held::Advisory(Some(why))),
        }
    }

    /// Furnishes the inside, hands its doors to the server, starts the command and waits for it.
    pub(super) async fn launch_captured(
        &self,
        context: &Context,
        hold: Pin<&mut impl Future<Output = Result<EndedView, Failure>>>,
        (opened, stage, socket): (&OpenedRunView, &Stage, &Path),
    ) -> Result<launch::Ended, Failure> {
        let (bundle, has_system) = merged(&context.environment, &opened.ca_pem);
        if !has_system {
            context.output.warning("this system's certificate authorities were not found");
        }
        let stubs = stubs(&opened.run.id.to_string(), &opened.hosts, &theirs(context));
        let git = self.captured_git(context, opened);
        let mut files = stubs.files;
        files.push(Laid { path: "ca.pem".into(), text: bundle, mode: 0o644 });
        files.extend(git.files);
        let trusted_at = SYSTEM.iter().filter_map(|place| Path::new(place).canonicalize().ok());
        let made = stage.open(ports(opened), files, trusted_at.collect())?;
        doors::hand_over(socket, opened, &made.doors)?;
        // The server has them now: when it is gone, nobody listens.
        drop(made.doors);
        let wanted = launch::Wanted {
            opened,
            reach: Reach::Doors,
            bundle: Path::new(places::BUNDLE),
            socket: Path::new(places::CONTROL),
            also: &self.env,
        };
        let mut variables = launch::of_run(&context.environment, &wanted)?;
        for (name, value) in stubs.variables {
            variables.entry(name.into()).or_insert_with(|| value.into());
        }
        variables.extend(git.variables.into_iter().map(|(name, value)| (name.into(), value)));
        let path = variables.entry("PATH".into()).or_default();
        path.push(":");
        path.push(places::PROGRAMS);
        stage.start(Start {
            words: self.command.clone(),
            variables: variables.into_iter().collect(),
            directory: stage.directory().clone(),
            may_nest: false,
        })?;
        let ended = capture::supervise(stage, hold).await?;
        tell_changes(context, stage);
        Ok(ended)
    }
}

fn ports(opened: &OpenedRunView) -> Vec<u16> {
    let mut ports = PORTS.to_vec();
    ports.extend(&opened.ports);
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Moves a run's git directory to where it finds it: read-only, but for the file that
/// `git config --global` writes.
fn moved(setup: GitSetup) -> GitSetup {
    let below = Path::new(GIT);
    let files = setup.files.into_iter().map(|laid| match laid.path.to_str() {
        Some("config") => Laid { path: GIT_CONFIG.into(), ..laid },
        _ => Laid { path: below.join(&laid.path), ..laid },
    });
    let files = files.collect();
    let mut variables = setup.variables;
    let config = Path::new(places::OWN).join(GIT_CONFIG);
    variables.retain(|(name, _)| name != "GIT_CONFIG_GLOBAL");
    variables.push(("GIT_CONFIG_GLOBAL".to_owned(), config.into_os_string()));
    GitSetup { files, variables }
}

/// What the human configured tools with.
fn theirs(context: &Context) -> Theirs {
    let home = context.environment.path("HOME");
    let read = |names: &[&str]| {
        let home = home.as_deref()?;
        let found = names.iter().map(|name| home.join(name)).find(|path| path.is_file())?;
        let mut text = String::new();
        let file = std::fs::File::open(found).ok()?;
        file.take(SETTINGS_MAX_BYTES).read_to_string(&mut text).ok().map(|_| text)
    };
    Theirs { npm: read(&[".npmrc"]), pip: read(&[".config/pip/pip.conf", ".pip/pip.conf"]) }
}

/// Names what a human's own tools would execute and the run wrote.
fn tell_changes(context: &Context, stage: &Stage) {
    let (changed, is_whole) = stage.executed_since();
    let shown = |path: &PathBuf| {
        let path = path.strip_prefix(stage.directory()).unwrap_or(path);
        clean(&path.display().to_string())
    };
    if !changed.is_empty() {
        let mut named: Vec<_> = changed.iter().take(NAMED_MAX).map(shown).collect();
        if changed.len() > NAMED_MAX {
            named.push(format!("and {} more", changed.len() - NAMED_MAX));
        }
        context.output.warning(&format!(
            "the run wrote what your own tools may execute, so read it first: {}",
            named.join(", ")
        ));
    }
    if !is_whole {
        context
            .output
            .warning("not all of the working directory was looked through for such files");
    }
}

fn sockets() -> String {
    let mut list = String::new();
    let read = std::fs::File::open("/proc/net/unix")
        .and_then(|file| file.take(SOCKETS_MAX_BYTES).read_to_string(&mut list));
    read.map(|_| list).unwrap_or_default()
}
