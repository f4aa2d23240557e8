//! `marque run` in the tier `captured`: furnished once the run is opened, and started.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use marque_plane::view::{EndedView, OpenedRunView};
use rustix::process::Signal;
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::again::Again;
use super::children::Children;
use super::held::HomeProfile;
use super::open::Open;
use super::voice::Voice;
use crate::capture::message::Start;
use crate::capture::stubs::{Theirs, stubs};
use crate::capture::{self, Beside, Stage, places};
use crate::client::{Client, Unheld};
use crate::commands::token::key::Key;
use crate::context::Context;
use crate::environment::Environment;
use crate::exit::{Exit, Failure};
use crate::launch::bundle::{self, SYSTEM, TOKEN_KEY, merged};
use crate::launch::git::{self, GitSetup, WantedGit};
use crate::launch::{self, Laid, Reach};
use crate::output::clean;

/// Ports that every captured run listens on: the web, and what is refused with a reason.
const PORTS: [u16; 5] = [22, 53, 80, 443, 5432];
/// Most bytes of a tool's configuration that is passed on.
const SETTINGS_MAX_BYTES: u64 = 256 * 1024;
/// Where the run's git finds its own, below the run's directory.
const GIT: &str = "git";
const GIT_CONFIG: &str = "scratch/gitconfig";
/// Most changed files that are named at the end.
const NAMED_MAX: usize = 100;

impl Open {
    /// Furnishes the inside of a run, starts the command and waits for it.
    pub(super) async fn launch_captured(
        &self,
        context: &Context,
        hold: Pin<&mut impl Future<Output = Result<EndedView, Unheld>>>,
        (opened, stage, run, token_key): (&OpenedRunView, &Stage, &Client, Option<&Key>),
        again: &Again<'_>,
    ) -> Result<launch::Ended, Failure> {
        let captured = Captured {
            context,
            voice: &Voice::Own(context.output),
            opened,
            run,
            again,
            stage,
            bounds: &Bounds { profile: self.home, hidden: self.hidden(context)? },
            command: Command {
                words: &self.command,
                environment: &context.environment,
                also: &self.env,
                has_git: !self.no_git_identity,
                token_key,
            },
        };
        captured.launch(None, hold).await
    }
}

/// What a run sees at most; its children see no more.
#[derive(Clone)]
pub(super) struct Bounds {
    /// How much of the home directory.
    pub(super) profile: HomeProfile,
    /// Paths that are not seen.
    pub(super) hidden: Vec<PathBuf>,
}

/// The command of a captured run.
pub(super) struct Command<'a> {
    /// Its words.
    pub(super) words: &'a [OsString],
    /// The variables it may have some of.
    pub(super) environment: &'a Environment,
    /// Names of further ones.
    pub(super) also: &'a [String],
    /// Whether it commits as its own.
    pub(super) has_git: bool,
    /// By which it asks for tokens, if it has one of its own.
    pub(super) token_key: Option<&'a Key>,
}

/// A captured run that was opened, and has a stage to run on.
pub(super) struct Captured<'a> {
    /// What this command was given.
    pub(super) context: &'a Context,
    /// Who hears about it.
    pub(super) voice: &'a Voice,
    /// The run.
    pub(super) opened: &'a OpenedRunView,
    /// Speaks as the run.
    pub(super) run: &'a Client,
    /// What keeps its listeners.
    pub(super) again: &'a Again<'a>,
    /// Its inside.
    pub(super) stage: &'a Stage,
    /// What it sees at most.
    pub(super) bounds: &'a Bounds,
    /// What runs.
    pub(super) command: Command<'a>,
}

impl Captured<'_> {
    /// Furnishes the inside, hands its doors to the server, starts the command and waits for it,
    /// and for the child runs it asks for. Signals are those of `asker`, or this process's own.
    pub(super) async fn launch(
        &self,
        asker: Option<mpsc::Receiver<Signal>>,
        hold: Pin<&mut impl Future<Output = Result<EndedView, Unheld>>>,
    ) -> Result<launch::Ended, Failure> {
        let Self { context, voice, opened, run, again, stage, bounds, command } = self;
        let (bundle, has_system) =
            merged(&context.environment, &bundle::own(&context.data, opened));
        if !has_system {
            voice.warning("this system's certificate authorities were not found");
        }
        let stubs = stubs(&opened.run.id.to_string(), &opened.hosts, &theirs(context));
        let git = self.git();
        let mut files = stubs.files;
        files.extend(git.files);
        files.extend(command.token_key.map(laid_key).transpose()?);
        let trusted_at = SYSTEM.iter().filter_map(|place| Path::new(place).canonicalize().ok());
        let made = stage.open(ports(opened), files, (&bundle, trusted_at.collect()))?;
        again.begin(made.doors)?;
        let launch = UnixListener::from_std(made.launch).map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot listen for child runs: {error}"))
        })?;
        let mut variables = self.variables()?;
        for (name, value) in stubs.variables {
            variables.entry(name.into()).or_insert_with(|| value.into());
        }
        variables.extend(git.variables.into_iter().map(|(name, value)| (name.into(), value)));
        stage.is_of(&opened.run.id.to_string());
        stage.start(Start {
            words: command.words.to_vec(),
            variables: variables.into_iter().collect(),
            directory: stage.directory().clone(),
            user_namespaces: opened.run.user_namespaces,
        })?;
        let (parent, work, lender) = (*run, stage.work(), Arc::new(made.lender));
        let children = Children { context, parent, work, lender, bounds };
        let over = CancellationToken::new();
        let work = std::pin::pin!(children.serve(&launch, over.clone()));
        let ended = capture::supervise(stage, asker, Beside { work, over }, hold).await?;
        tell_changes(voice, stage.directory(), stage.executed_since());
        Ok(ended)
    }

    fn variables(&self) -> Result<BTreeMap<OsString, OsString>, Failure> {
        let token_key = Path::new(places::OWN).join(TOKEN_KEY);
        let wanted = launch::Wanted {
            opened: self.opened,
            reach: Reach::Doors,
            bundle: Path::new(places::BUNDLE),
            socket: Path::new(places::CONTROL),
            token_key: self.command.token_key.map(|_| token_key.as_path()),
            also: self.command.also,
        };
        let mut variables = launch::of_run(self.command.environment, &wanted)?;
        variables.insert("MARQUE_LAUNCHER".into(), places::LAUNCHER.into());
        let path = variables.entry("PATH".into()).or_default();
        // There already, where a run above passed its own on.
        if !path.as_bytes().ends_with(places::PROGRAMS.as_bytes()) {
            path.push(":");
            path.push(places::PROGRAMS);
        }
        Ok(variables)
    }

    fn git(&self) -> GitSetup {
        let opened = self.opened;
        let Some(git) = opened.git.as_ref().filter(|_| self.command.has_git) else {
            return GitSetup { files: Vec::new(), variables: Vec::new() };
        };
        moved(git::setup(&WantedGit {
            run: &opened.run,
            git,
            hosts: &git.hosts,
            dir: &Path::new(places::OWN).join(GIT),
            marque: &Path::new(places::PROGRAMS).join("marque"),
            inherited: &git::inherited(&self.context.environment),
        }))
    }
}

/// The run's own key, which nobody else in there can read.
fn laid_key(key: &Key) -> Result<Laid, Failure> {
    let pem = key.to_pem()?;
    let text = String::from_utf8_lossy(pem.expose()).into_owned();
    Ok(Laid { path: TOKEN_KEY.into(), mode: 0o600, text })
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
pub(super) fn tell_changes(
    voice: &Voice,
    directory: &Path,
    (changed, is_whole): (Vec<PathBuf>, bool),
) {
    let shown = |path: &PathBuf| {
        let path = path.strip_prefix(directory).unwrap_or(path);
        clean(&path.display().to_string())
    };
    if !changed.is_empty() {
        let mut named: Vec<_> = changed.iter().take(NAMED_MAX).map(shown).collect();
        if changed.len() > NAMED_MAX {
            named.push(format!("and {} more", changed.len() - NAMED_MAX));
        }
        voice.warning(&format!(
            "the run wrote what your own tools may execute, so read it first: {}",
            named.join(", ")
        ));
    }
    if !is_whole {
        voice.warning("not all of the working directory was looked through for such files");
    }
}
