//! The tier `confined`, seen from outside: what stays open, tried before a run is opened.
//!
//! The rules are made from what a captured run would see, so that both hide the same. What cannot
//! be read is closed by not being listed: a directory with something hidden beneath it is opened
//! entry by entry.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::executed::Executed;
use super::inside::Part;
use super::inside::fence::{self, Rules};
use super::message::{Sight, What};
use super::stage::{Building, Unfit};
use super::view::{Unreadable, View, Wanted, Work, view};
use crate::exit::{Exit, Failure};

/// Where the run's own directory keeps what.
const RULES: &str = "rules";
const SCRATCH: &str = "tmp";
/// Most entries that are opened one by one, and how deep.
const ENTRIES_MAX: usize = 20_000;
const DEPTH_MAX: usize = 32;
/// Not the terminals: those of others are there too.
const DEVICES: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
];
/// The standard streams.
const STREAMS: [&str; 3] = ["/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"];

/// What confines a run. Dropping it removes the run's own files.
pub(crate) struct Fence {
    own: TempDir,
    rules: Rules,
    directory: PathBuf,
    git: Vec<PathBuf>,
    before: Executed,
    /// What this kernel does not hold of it.
    pub(crate) lacking: Vec<&'static str>,
}

impl Fence {
    /// Decides what stays open and tries it; or says why this machine does not let us.
    pub(crate) fn build(wanted: &Wanted) -> Building<Self> {
        let unfit = |step: &str, why: String| Ok(Err(Unfit { step: step.to_owned(), why }));
        let version = fence::version().unwrap_or(0);
        if version < 4 {
            let why = match version {
                0 => "this kernel has no Landlock, or it is switched off".to_owned(),
                _ => format!("its Landlock (ABI {version}) knows no TCP ports: Linux 6.7 does"),
            };
            return unfit("fence files and ports", why);
        }
        let View { sights, work: Work { directory, git, .. } } =
            view(wanted, None, &Unreadable::begin())?;
        let rules = rules(&sights)?;
        let own = match own() {
            Ok(own) => own,
            Err(error) => return unfit("make the run's own directory", error.to_string()),
        };
        let before = Executed::of(&directory, &git);
        let fence = Self { own, rules, directory, git, before, lacking: lacking(version) };
        match fence.tries() {
            Ok(()) => Ok(Ok(fence)),
            Err(error) => unfit("confine a command", error.to_string()),
        }
    }

    /// Opens what is the run's own, and the port of its proxy.
    pub(crate) fn open(&mut self, bundle: &Path, port: u16) -> Result<(), Failure> {
        self.rules.readable.push(bundle.to_owned());
        self.rules.ports.push(port);
        self.write().map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot write what the run may open: {error}"))
        })
    }

    /// The words before the command's, which fence it in.
    pub(crate) fn words(&self) -> [PathBuf; 2] {
        [self.own.path().join(Part::Confine.name()), self.own.path().join(RULES)]
    }

    /// The run's directory for temporary files.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.own.path().join(SCRATCH)
    }

    /// Where the command begins.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// What is new or changed that a human's tools would execute, and whether all was looked at.
    pub(crate) fn executed_since(&self) -> (Vec<PathBuf>, bool) {
        let now = Executed::of(&self.directory, &self.git);
        (now.since(&self.before), now.is_whole && self.before.is_whole)
    }

    fn tries(&self) -> io::Result<()> {
        self.write()?;
        let [program, rules] = self.words();
        let mut command = Command::new(program);
        command.arg(rules).env_clear().stdin(Stdio::null());
        let output = command.output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let why =
            said.trim().trim_start_matches("error: ").trim_end_matches("; nothing was started");
        Err(io::Error::other(why.to_owned()))
    }

    fn write(&self) -> io::Result<()> {
        let scratch = self.scratch();
        let mut rules = serde_json::to_value(&self.rules)?;
        if let Some(writable) = rules.get_mut("writable").and_then(|list| list.as_array_mut()) {
            writable.push(serde_json::to_value(scratch)?);
        }
        std::fs::write(self.own.path().join(RULES), serde_json::to_vec(&rules)?)
    }
}

fn own() -> io::Result<TempDir> {
    // mkdtemp: 0700 and a name nobody can guess.
    let own = tempfile::Builder::new().prefix("marque-run-").tempdir()?;
    symlink(std::env::current_exe()?, own.path().join(Part::Confine.name()))?;
    std::fs::create_dir(own.path().join(SCRATCH))?;
    std::fs::set_permissions(own.path().join(SCRATCH), Permissions::from_mode(0o700))?;
    Ok(own)
}

/// What a kernel with that version of Landlock does not hold.
fn lacking(version: u8) -> Vec<&'static str> {
    let mut lacking = Vec::new();
    if version < 5 {
        lacking.push("control of devices it may open (Linux 6.10)");
    }
    if version < 6 {
        lacking.push("signals to your other processes (Linux 6.12)");
    }
    lacking
}

/// What stays open of what a captured run would see.
fn rules(sights: &[Sight]) -> Result<Rules, Failure> {
    let hidden = hidden(sights);
    let is_beneath = |path: &PathBuf, above: &Path| path.starts_with(above);
    let mut rules = Rules::default();
    let mut left = ENTRIES_MAX;
    for Sight { at, what } in sights {
        match what {
            What::Read | What::Layered { .. } => {
                around(at, &hidden, (&mut rules.readable, &mut left), DEPTH_MAX)?;
            }
            What::From(path) => rules.readable.push(path.clone()),
            What::Processes => rules.readable.push(at.clone()),
            What::Devices => rules.devices.extend(devices()),
            What::Write => {
                if let Some(path) = hidden.iter().find(|path| is_beneath(path, at)) {
                    let message = format!(
                        "`{}` cannot be hidden: the run may write in `{}`",
                        path.display(),
                        at.display()
                    );
                    let failure = Failure::new(Exit::Usage, message);
                    return Err(failure.hint("start the run in a directory that does not hold it"));
                }
                rules.writable.push(at.clone());
            }
            // Nothing is lent in this tier: it has no child runs.
            What::Scratch { .. }
            | What::Nothing
            | What::Text(_)
            | What::Link(_)
            | What::Lent { .. } => {}
        }
    }
    Ok(rules)
}

/// What is not to be seen, under every name that leads there.
fn hidden(sights: &[Sight]) -> Vec<PathBuf> {
    let mut hidden = Vec::new();
    for Sight { at, what } in sights {
        match what {
            What::Nothing => hidden.push(at.clone()),
            What::Layered { directories, files, .. } => {
                hidden.extend(directories.iter().chain(files).map(|name| at.join(name)));
            }
            _ => {}
        }
    }
    let led_to: Vec<_> = hidden.iter().filter_map(|path| path.canonicalize().ok()).collect();
    hidden.extend(led_to);
    hidden
}

fn devices() -> Vec<PathBuf> {
    let own = STREAMS.iter().filter_map(|stream| std::fs::read_link(stream).ok());
    let own = own.filter(|path| path.starts_with("/dev/pts") || path.starts_with("/dev/tty"));
    DEVICES.iter().map(PathBuf::from).chain(own).collect()
}

/// Lists `at`, or what is in it but for what is hidden. A link gives nothing: what it leads to has
/// a place of its own.
fn around(
    at: &Path,
    hidden: &[PathBuf],
    (open, left): (&mut Vec<PathBuf>, &mut usize),
    depth: usize,
) -> Result<(), Failure> {
    if hidden.iter().any(|path| at.starts_with(path)) {
        return Ok(());
    }
    let (Some(fewer), Some(depth)) = (left.checked_sub(1), depth.checked_sub(1)) else {
        let message = format!("too much lies around what is hidden in `{}`", at.display());
        return Err(Failure::new(Exit::Failed, message)
            .hint("hide less with `--hide`, or hide all of home: `--home hidden`"));
    };
    *left = fewer;
    if !hidden.iter().any(|path| path.starts_with(at)) {
        open.push(at.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(at).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| !kind.is_symlink()) {
            around(&entry.path(), hidden, (open, left), depth)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};

    use super::{Rules, lacking, rules};
    use crate::capture::message::{Sight, What};

    fn home(dir: &Path) -> Vec<Sight> {
        for name in [".aws", ".config/gh", ".config/htop", ".cache/x", "dotfiles/ssh", "work"] {
            std::fs::create_dir_all(dir.join(name)).unwrap();
        }
        std::fs::write(dir.join(".netrc"), "").unwrap();
        std::fs::write(dir.join("notes"), "").unwrap();
        symlink("dotfiles/ssh", dir.join(".ssh")).unwrap();
        let what = What::Layered {
            directories: [".aws", ".ssh", ".config/gh", ".later"].map(PathBuf::from).to_vec(),
            files: vec![".netrc".into()],
            is_writable: true,
        };
        vec![Sight { at: dir.to_owned(), what }, Sight { at: dir.join("work"), what: What::Write }]
    }

    #[test]
    fn a_home_is_opened_around_what_is_hidden_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let Rules { mut readable, writable, .. } = rules(&home(&dir)).unwrap();
        readable.sort();
        let expected = [".cache", ".config/htop", "notes", "work"].map(|name| dir.join(name));
        assert_eq!(readable, expected);
        assert_eq!(writable, [dir.join("work")]);
    }

    #[test]
    fn what_is_hidden_is_refused_in_a_directory_that_can_be_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let mut sights = home(&dir);
        sights.push(Sight { at: dir.join("work/keys"), what: What::Nothing });
        let refused = rules(&sights).unwrap_err();
        assert!(refused.to_string().contains("cannot be hidden"), "{refused}");
    }

    #[test]
    fn what_the_kernel_lacks_is_said() {
        assert_eq!(lacking(4).len(), 2);
        assert_eq!(lacking(5).len(), 1);
        assert!(lacking(6).is_empty());
    }
}
