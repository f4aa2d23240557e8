//! What a captured run sees of this machine: decided here, outside, and laid by `inside::root`.
//!
//! Programs and libraries are there, read-only. The home directory is there without anybody's
//! credentials. The working directory is there to be written to. Nothing else of the machine's
//! state is: no sockets of daemons, no other user's files, no temporary files of others.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::message::{Sight, What};
use super::protected::{Locks, directories_of_git, locks};
use super::{hidden, places};
use crate::exit::{Exit, Failure};

/// Directories of the root that are laid in their own way, or not at all.
const APART: &[&str] = &[
    "boot",
    "dev",
    "home",
    "lost+found",
    "media",
    "mnt",
    "proc",
    "root",
    "run",
    "srv",
    "sys",
    "tmp",
    "var",
];
/// What programs need of `/var` and `/sys`.
const NEEDED: &[&str] = &[
    "/sys/devices/system/cpu",
    "/var/cache/fontconfig",
    "/var/lib/ca-certificates",
    "/var/lib/dpkg",
    "/var/lib/rpm",
];
/// Where programs write that is not the run's work.
const SCRATCH: &[&str] = &["/tmp", "/var/tmp"];
const SCRATCH_MODE: u32 = 0o1777;
/// Of a directory that only the user is to read.
const PRIVATE_MODE: u32 = 0o700;
const PUBLIC_MODE: u32 = 0o755;
/// Resolvers ask the run's own listener.
const RESOLVER: &str = "nameserver 127.0.0.1\noptions timeout:2 attempts:2\n";
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";
/// Most sockets that are covered.
const SOCKETS_MAX: usize = 1_024;

/// What is seen of the home directory.
// From the widest to the narrowest.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, Serialize, Deserialize,
)]
pub(crate) enum Home {
    /// All but credentials; what is written there goes with the run
    Private,
    /// All but credentials; nothing can be written
    ReadOnly,
    /// Nothing; an empty directory that goes with the run
    Hidden,
}

/// What a view is made of.
pub(crate) struct Wanted<'a> {
    /// The home directory, if there is one.
    pub(crate) home: Option<&'a Path>,
    /// How much of it is seen.
    pub(crate) profile: Home,
    /// The working directory.
    pub(crate) directory: &'a Path,
    /// Further paths that are not seen; those of the server among them.
    pub(crate) hidden: &'a [PathBuf],
    /// This program.
    pub(crate) program: Option<&'a Path>,
    /// The kernel's list of sockets (proc_net(5), `unix`).
    pub(crate) sockets: &'a str,
}

/// A view, and the directories that can be written to.
#[derive(Debug)]
pub(super) struct View {
    /// What is laid, in order.
    pub(super) sights: Vec<Sight>,
    /// The working directory.
    pub(super) directory: PathBuf,
    /// Directories of git's that belong to the working directory.
    pub(super) git: Vec<PathBuf>,
}

/// What a run can write to, and what of it a run below it is lent.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    /// Its working directory.
    pub(crate) directory: PathBuf,
    /// Directories of git's that belong to it.
    pub(crate) git: Vec<PathBuf>,
}

impl Work {
    /// The directories it can write to, none inside another.
    pub(super) fn roots(&self) -> impl Iterator<Item = &PathBuf> {
        let apart = self.git.iter().filter(|git| !git.starts_with(&self.directory));
        std::iter::once(&self.directory).chain(apart)
    }

    fn holds(&self, path: &Path) -> bool {
        self.roots().any(|root| path.starts_with(root))
    }
}

/// Decides what is seen; for a run below another one, inside what that one works on.
pub(super) fn view(wanted: &Wanted<'_>, above: Option<&Work>) -> Result<View, Failure> {
    let directory = canonical(wanted.directory)?;
    let home = wanted.home.map(canonical).transpose()?;
    must_be_narrow(&directory, home.as_deref(), wanted.hidden)?;
    if let Some(above) = above {
        must_lie_inside(&directory, above)?;
    }
    let mut sights = Vec::new();
    programs(&mut sights)?;
    machine(&mut sights);
    if let Some(program) = wanted.program {
        let at = Path::new(places::PROGRAMS).join("marque");
        sights.push(Sight { at, what: What::From(program.to_owned()) });
    }
    if let Some(home) = &home {
        at_home(&mut sights, home, wanted.profile);
    }
    let git = work(&mut sights, &directory, home.as_deref(), above);
    let nothing = |at: PathBuf| Sight { at, what: What::Nothing };
    sights.extend(hidden::OF_THE_MACHINE.iter().map(|path| nothing(path.into())));
    let beyond = wanted.hidden.iter().filter_map(|path| path.canonicalize().ok());
    let beyond: Vec<_> = beyond.filter(|path| is_seen(&sights, path)).collect();
    sights.extend(beyond.into_iter().map(nothing));
    let sockets: Vec<_> = sockets(wanted.sockets).filter(|path| is_seen(&sights, path)).collect();
    sights.extend(sockets.into_iter().take(SOCKETS_MAX).map(nothing));
    Ok(View { sights, directory, git })
}

fn must_lie_inside(directory: &Path, above: &Work) -> Result<(), Failure> {
    if directory.starts_with(&above.directory) {
        return Ok(());
    }
    let message = format!(
        "`{}` is not in the working directory of the run above, `{}`",
        directory.display(),
        above.directory.display()
    );
    Err(Failure::new(Exit::Usage, message)
        .hint("a child run works where its parent does; start it in that directory or below it"))
}

fn canonical(path: &Path) -> Result<PathBuf, Failure> {
    path.canonicalize().map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot use `{}`: {error}", path.display()))
    })
}

/// Refuses a working directory in which credentials would lie.
fn must_be_narrow(
    directory: &Path,
    home: Option<&Path>,
    hidden: &[PathBuf],
) -> Result<(), Failure> {
    let refused = |why: String| {
        let message = format!("`{}` is too wide a working directory: {why}", directory.display());
        Err(Failure::new(Exit::Usage, message)
            .hint("a run may write in its working directory; start it in that of one project"))
    };
    if directory == Path::new("/") {
        return refused("it is the whole machine".to_owned());
    }
    let Some(home) = home else { return Ok(()) };
    if home.starts_with(directory) {
        return refused("your home directory lies in it".to_owned());
    }
    let names = hidden::DIRECTORIES.iter().chain(hidden::FILES).map(|name| home.join(name));
    let in_the_way = names.chain(hidden.iter().cloned()).find(|path| path.starts_with(directory));
    match in_the_way {
        Some(path) => refused(format!("`{}` lies in it", path.display())),
        None => Ok(()),
    }
}

/// Everything that is installed.
fn programs(sights: &mut Vec<Sight>) -> Result<(), Failure> {
    let failed =
        |error| Failure::new(Exit::Failed, format!("cannot look into the root directory: {error}"));
    let mut entries: Vec<_> = std::fs::read_dir("/").map_err(failed)?.flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (name, at) = (entry.file_name(), entry.path());
        if APART.iter().any(|apart| name == *apart) {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_symlink() => {
                if let Ok(to) = std::fs::read_link(&at) {
                    sights.push(Sight { at, what: What::Link(to) });
                }
            }
            Ok(kind) if kind.is_dir() => sights.push(Sight { at, what: What::Read }),
            _ => {}
        }
    }
    Ok(())
}

/// What every program expects of a machine, none of it this one's.
fn machine(sights: &mut Vec<Sight>) {
    let mut lay = |at: &str, what| sights.push(Sight { at: at.into(), what });
    lay("/dev", What::Devices);
    lay("/proc", What::Processes);
    lay("/var", What::Scratch { mode: PUBLIC_MODE });
    lay("/run", What::Scratch { mode: PUBLIC_MODE });
    lay("/var/run", What::Link("/run".into()));
    for at in SCRATCH {
        lay(at, What::Scratch { mode: SCRATCH_MODE });
    }
    for at in NEEDED {
        lay(at, What::Read);
    }
    lay(places::OWN, What::Scratch { mode: PUBLIC_MODE });
    lay(places::SCRATCH, What::Scratch { mode: PRIVATE_MODE });
    // Either may be a link into a directory that is empty inside.
    for (at, text) in [("/etc/resolv.conf", RESOLVER), ("/etc/hosts", HOSTS)] {
        let at = std::fs::canonicalize(at).unwrap_or_else(|_| at.into());
        sights.push(Sight { at, what: What::Text(text.to_owned()) });
    }
}

fn at_home(sights: &mut Vec<Sight>, home: &Path, profile: Home) {
    let at = home.to_owned();
    if profile == Home::Hidden {
        sights.push(Sight { at, what: What::Scratch { mode: PRIVATE_MODE } });
        return;
    }
    let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
    let what = What::Layered {
        directories: paths(hidden::DIRECTORIES),
        files: paths(hidden::FILES),
        is_writable: profile == Home::Private,
    };
    sights.push(Sight { at, what });
}

/// The working directory and what belongs to it. Returns directories of git's.
fn work(
    sights: &mut Vec<Sight>,
    directory: &Path,
    home: Option<&Path>,
    above: Option<&Work>,
) -> Vec<PathBuf> {
    let is_narrow = |git: &PathBuf| {
        let above = git.parent().unwrap_or(Path::new("/"));
        above != Path::new("/") && !home.is_some_and(|home| home.starts_with(above))
    };
    let is_ours = |git: &PathBuf| above.is_none_or(|above| above.holds(git));
    let git = directories_of_git(directory).into_iter();
    let git: Vec<_> = git.filter(|git| is_narrow(git) && is_ours(git)).collect();
    let Locks { kept, locked } = locks(directory, &git);
    // ORDER: what is lent comes first, in the order of `Work::roots`.
    for root in above.into_iter().flat_map(Work::roots) {
        let is_writable = root == directory || git.contains(root);
        sights.push(Sight { at: root.clone(), what: What::Lent { is_writable } });
    }
    if above.is_none_or(|above| above.directory != directory) {
        sights.push(Sight { at: directory.to_owned(), what: What::Write });
    }
    let is_lent =
        |path: &PathBuf| above.is_some_and(|above| above.roots().any(|root| root == path));
    let kept = kept.into_iter().filter(|path| !is_lent(path));
    sights.extend(kept.map(|at| Sight { at, what: What::Write }));
    sights.extend(locked.into_iter().map(|at| Sight { at, what: What::Read }));
    git
}

/// Whether what lies at a path outside is seen there inside: what was laid last above it says.
fn is_seen(sights: &[Sight], path: &Path) -> bool {
    let above = sights.iter().rev().filter(|sight| path.starts_with(&sight.at));
    let nearest = above.max_by_key(|sight| sight.at.components().count());
    let Some(Sight { at, what }) = nearest else { return false };
    match what {
        What::Read | What::Write | What::Lent { .. } => true,
        What::Layered { directories, files, .. } => {
            !directories.iter().chain(files).any(|name| path.starts_with(at.join(name)))
        }
        _ => false,
    }
}

/// The sockets of this machine that have a path.
fn sockets(list: &str) -> impl Iterator<Item = PathBuf> {
    let paths = list.lines().skip(1).filter_map(|line| line.find(" /").map(|at| &line[at + 1..]));
    paths.filter_map(|path| Path::new(path).canonicalize().ok())
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Home, View, Wanted, Work, is_seen, view};
    use crate::capture::message::What;

    fn of(home: &Path, directory: &Path, sockets: &str) -> Result<View, crate::exit::Failure> {
        let hidden = [home.join("plane")];
        let wanted = Wanted {
            home: Some(home),
            profile: Home::Private,
            directory,
            hidden: &hidden,
            program: None,
            sockets,
        };
        view(&wanted, None)
    }

    #[test]
    fn a_run_below_another_works_inside_that_one_and_writes_where_it_was_started() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        let at = |name: &str| home.join(name);
        for directory in ["work/sub", "work/.git/hooks", "beside"] {
            std::fs::create_dir_all(at(directory)).unwrap();
        }
        std::os::unix::fs::symlink(at("beside"), at("work/out")).unwrap();
        let above = Work { directory: at("work"), git: vec![at("work/.git")] };
        let below = |directory: &Path| {
            let profile = Home::Private;
            let (home, hidden, program) = (Some(home.as_path()), [].as_slice(), None);
            let wanted = Wanted { home, profile, directory, hidden, program, sockets: "" };
            view(&wanted, Some(&above))
        };
        for outside in ["beside", "work/out"] {
            let refused = below(&at(outside)).unwrap_err();
            assert!(refused.to_string().contains("not in the working directory"), "{refused}");
        }
        let lent = |view: &View| {
            let sights = view.sights.iter().filter(|sight| sight.at.starts_with(at("work")));
            sights.map(|sight| (sight.at.clone(), sight.what.clone())).collect::<Vec<_>>()
        };
        let kept = [(at("work/.git"), What::Write), (at("work/.git/hooks"), What::Read)];
        let same = [(at("work"), What::Lent { is_writable: true })];
        assert_eq!(lent(&below(&at("work")).unwrap()), [same.as_slice(), &kept].concat());
        let narrower =
            [(at("work"), What::Lent { is_writable: false }), (at("work/sub"), What::Write)];
        assert_eq!(lent(&below(&at("work/sub")).unwrap()), [narrower.as_slice(), &kept].concat());
    }

    #[test]
    fn a_working_directory_is_refused_where_credentials_would_lie_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        for directory in ["work", "plane", ".aws/sso", ".config"] {
            std::fs::create_dir_all(home.join(directory)).unwrap();
        }
        let outer = home.parent().unwrap().to_owned();
        for wide in [Path::new("/"), &outer, &home, &home.join(".config"), &home.join("plane")] {
            let refused = of(&home, wide, "").unwrap_err();
            assert!(refused.to_string().contains("too wide"), "{refused}");
        }
        assert!(of(&home, &home.join("work"), "").is_ok());
    }

    #[test]
    fn sockets_and_the_planes_own_directory_are_covered_where_they_would_be_seen() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        let work = home.join("work");
        std::fs::create_dir_all(&work).unwrap();
        std::fs::create_dir_all(home.join("plane")).unwrap();
        let socket = |path: &Path| {
            let _listener = std::os::unix::net::UnixListener::bind(path).unwrap();
            format!("0: 00000002 00000000 00010000 0001 01 2 {}\n", path.display())
        };
        let sockets =
            ["Num RefCount\n".to_owned(), socket(&work.join("a.sock")), "0: 1 @abstract\n".into()];
        let view = of(&home, &work, &sockets.concat()).unwrap();
        let nothing: Vec<&PathBuf> = view
            .sights
            .iter()
            .filter(|sight| sight.what == What::Nothing && sight.at.starts_with(&home))
            .map(|sight| &sight.at)
            .collect();
        assert_eq!(nothing, [&home.join("plane"), &work.join("a.sock")]);
        assert!(is_seen(&view.sights, &work.join("src")));
        assert!(!is_seen(&view.sights, &home.join(".ssh/id_ed25519")));
        assert!(!is_seen(&view.sights, Path::new("/run/docker.sock")));
    }
}
