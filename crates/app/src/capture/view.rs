//! What a captured run sees of this machine: decided here, outside, and laid by `inside::root`.
//!
//! Programs and libraries are there, read-only. The home directory is there without anybody's
//! credentials. The working directory is there to be written to. Nothing else of the machine's
//! state is: no sockets of daemons, no other user's files, no temporary files of others.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::awaited::Awaited;
use super::message::{Sight, What};
use super::narrow::{is_the_machines, must_be_narrow};
use super::protected::{Contents, locks};
use super::{hidden, places, repository};
use crate::exit::{Exit, Failure};

/// Directories of the root that are laid in their own way, or not at all.
pub(super) const APART: &[&str] = &[
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
pub(super) const SCRATCH: &[&str] = &["/tmp", "/var/tmp"];
const SCRATCH_MODE: u32 = 0o1777;
/// Of a directory that only the user is to read.
const PRIVATE_MODE: u32 = 0o700;
const PUBLIC_MODE: u32 = 0o755;
/// Resolvers ask the run's own listener.
const RESOLVER: &str = "nameserver 127.0.0.1\noptions timeout:2 attempts:2\n";
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";
/// Most sockets that are covered.
const SOCKETS_MAX: usize = 4_096;

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
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The home directory, if there is one.
    pub(crate) home: Option<PathBuf>,
    /// How much of it is seen.
    pub(crate) profile: Home,
    /// The working directory.
    pub(crate) directory: PathBuf,
    /// Further paths that are not seen; those of the server among them.
    pub(crate) hidden: Vec<PathBuf>,
    /// This program.
    pub(crate) program: Option<PathBuf>,
    /// Paths that are covered where they would be seen, also in the working directory.
    pub(crate) covered: Vec<PathBuf>,
    /// The kernel's list of sockets (proc_net(5), `unix`).
    pub(crate) sockets: String,
}

/// A view, and what of it can be written to.
#[derive(Debug)]
pub(super) struct View {
    /// What is laid, in order.
    pub(super) sights: Vec<Sight>,
    /// What can be written to.
    pub(super) work: Work,
}

/// What a run can write to, and what of it a run below it is lent.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    /// Its working directory.
    pub(crate) directory: PathBuf,
    /// Directories of git's that belong to it.
    pub(crate) git: Vec<PathBuf>,
    /// What is read-only in either.
    pub(crate) locked: Vec<PathBuf>,
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

/// What of the machine's settings is not for everybody, being looked for beside all else: the walk
/// is a third of what a view costs.
pub(super) struct Unreadable(io::Result<Awaited<Option<BTreeSet<PathBuf>>>>);

impl Unreadable {
    /// Begins to look.
    pub(super) fn begin() -> Self {
        Self(Awaited::begin("settings", || Some(hidden::of_the_machine())))
    }

    /// What was found; looked for here and now, where a thread could not.
    fn found(&self) -> BTreeSet<PathBuf> {
        let found = self.0.as_ref().ok().and_then(|found| found.get().clone());
        found.unwrap_or_else(hidden::of_the_machine)
    }
}

/// Decides what is seen; for a run below another one, inside what that one works on.
pub(super) fn view(
    wanted: &Wanted,
    above: Option<&Work>,
    unreadable: &Unreadable,
) -> Result<View, Failure> {
    let directory = canonical(&wanted.directory)?;
    let home = wanted.home.as_deref().map(canonical).transpose()?;
    // Nobody's credentials lie there, and much else does.
    let home = home.filter(|home| !is_the_machines(home));
    must_be_narrow(&directory, home.as_deref(), &wanted.hidden)?;
    if let Some(above) = above {
        must_lie_inside(&directory, above)?;
    }
    let mut sights = Vec::new();
    programs(&mut sights)?;
    machine(&mut sights);
    if let Some(program) = &wanted.program {
        let at = Path::new(places::PROGRAMS).join("marque");
        sights.push(Sight { at, what: What::From(program.to_owned()) });
    }
    // A `HOME` that was set for this run only takes nothing away from the other one's protection.
    let other = hidden::own_home().filter(|other| Some(other) != home.as_ref());
    let other = other.filter(|other| !is_the_machines(other) && is_seen(&sights, other));
    if other.is_some() {
        must_be_narrow(&directory, other.as_deref(), &wanted.hidden)?;
    }
    let homes = [other, home.clone()];
    let linked: Vec<_> = homes.iter().flatten().flat_map(|home| hidden::linked(home)).collect();
    for home in homes.iter().flatten() {
        at_home(&mut sights, home, wanted.profile, &linked);
    }
    let contents = Contents::of(&directory);
    let work = work(&mut sights, directory, home.as_deref(), (above, &contents))?;
    let mut covered = unreadable.found();
    let of_wanted = wanted.hidden.iter().chain(&wanted.covered).chain(&linked);
    covered.extend(of_wanted.filter_map(|path| path.canonicalize().ok()));
    covered.extend(sockets(&wanted.sockets, contents.sockets)?);
    // A directory that the working directory lies in stays as it is laid.
    covered.retain(|path| is_seen(&sights, path) && !work.directory.starts_with(path));
    let nothing = |at: PathBuf| Sight { at, what: What::Nothing };
    sights.extend(covered.into_iter().map(nothing));
    Ok(View { sights, work })
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
    for at in NEEDED.iter().filter(|at| is_straight(Path::new(at))) {
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

fn at_home(sights: &mut Vec<Sight>, home: &Path, profile: Home, linked: &[PathBuf]) {
    let at = home.to_owned();
    if profile == Home::Hidden {
        sights.push(Sight { at, what: What::Scratch { mode: PRIVATE_MODE } });
        return;
    }
    let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
    let (mut directories, mut files) = (paths(hidden::DIRECTORIES), paths(hidden::FILES));
    for path in linked {
        // What lies elsewhere is covered there.
        let Ok(name) = path.strip_prefix(home) else { continue };
        let those = if path.is_dir() { &mut directories } else { &mut files };
        if !those.iter().any(|known| known == name) {
            those.push(name.to_owned());
        }
    }
    let is_writable = profile == Home::Private;
    sights.push(Sight { at, what: What::Layered { directories, files, is_writable } });
}

/// The working directory and what belongs to it.
fn work(
    sights: &mut Vec<Sight>,
    directory: PathBuf,
    home: Option<&Path>,
    (above, contents): (Option<&Work>, &Contents),
) -> Result<Work, Failure> {
    let mut repository = repository::of(&directory);
    let is_narrow = |git: &PathBuf| {
        let above = git.parent().unwrap_or(Path::new("/"));
        let is_hidden = home.is_some_and(|home| hidden::is_hidden(home, git));
        !is_the_machines(above) && !home.is_some_and(|home| home.starts_with(above)) && !is_hidden
    };
    let is_ours = |git: &PathBuf| above.is_none_or(|above| above.holds(git));
    repository.directory = repository.directory.filter(|git| is_narrow(git) && is_ours(git));
    let mut locks = locks(&directory, &repository, contents, above)?;
    let git: Vec<_> = repository.directory.into_iter().collect();
    // ORDER: what is lent comes first, in the order of `Work::roots`.
    for root in above.into_iter().flat_map(Work::roots) {
        let is_writable = *root == directory || git.contains(root);
        sights.push(Sight { at: root.clone(), what: What::Lent { is_writable } });
    }
    let is_lent = |path: &Path| above.is_some_and(|above| above.roots().any(|root| root == path));
    if !is_lent(&directory) {
        sights.push(Sight { at: directory.clone(), what: What::Write });
    }
    locks.retain(|sight| sight.what != What::Write || !is_lent(&sight.at));
    let locked = locks.iter().filter(|sight| sight.what == What::Read);
    let locked = locked.map(|sight| sight.at.clone()).collect();
    sights.extend(locks);
    Ok(Work { directory, git, locked })
}

/// Whether no part of a path is a link.
fn is_straight(path: &Path) -> bool {
    path.canonicalize().is_ok_and(|canonical| canonical == path)
}

/// Whether what lies at a path outside is seen there inside: what was laid last above it says.
fn is_seen(sights: &[Sight], path: &Path) -> bool {
    let above = sights.iter().rev().filter(|sight| path.starts_with(&sight.at));
    let Some(nearest) = above.max_by_key(|sight| sight.at.components().count()) else {
        return false;
    };
    match &nearest.what {
        What::Read | What::Write | What::Lent { .. } => true,
        What::Layered { directories, files, .. } => {
            let below = path.strip_prefix(&nearest.at).unwrap_or(path);
            !directories.iter().chain(files).any(|hidden| below.starts_with(hidden))
        }
        _ => false,
    }
}

/// The sockets of this machine that have a path: those the kernel tells of, and those that were
/// seen. The kernel tells a path as its server said it, which may be relative to anywhere.
fn sockets(list: &str, seen: Vec<PathBuf>) -> Result<BTreeSet<PathBuf>, Failure> {
    let paths = list.lines().skip(1).filter_map(|line| line.find(" /").map(|at| &line[at + 1..]));
    let told = paths.collect::<BTreeSet<_>>();
    let told = told.into_iter().filter_map(|path| Path::new(path).canonicalize().ok());
    let all: BTreeSet<_> = told.chain(seen).collect();
    if all.len() > SOCKETS_MAX {
        let message = format!("there are more than {SOCKETS_MAX} sockets with a path here");
        return Err(Failure::new(Exit::Failed, message)
            .hint("a run would reach those that are not covered; remove what nobody serves"));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Home, Unreadable, View, Wanted, Work, is_seen, view};
    use crate::capture::message::What;

    fn of(home: &Path, directory: &Path, sockets: &str) -> Result<View, crate::exit::Failure> {
        let wanted = Wanted {
            home: Some(home.to_owned()),
            profile: Home::Private,
            directory: directory.to_owned(),
            hidden: vec![home.join("plane")],
            program: None,
            covered: Vec::new(),
            sockets: sockets.to_owned(),
        };
        view(&wanted, None, &Unreadable::begin())
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
        let above = Work {
            directory: at("work"),
            git: vec![at("work/.git")],
            locked: vec![at("work/sub/tools")],
        };
        let below = |directory: &Path| {
            let wanted = Wanted {
                home: Some(home.clone()),
                profile: Home::Private,
                directory: directory.to_owned(),
                hidden: Vec::new(),
                program: None,
                covered: Vec::new(),
                sockets: String::new(),
            };
            view(&wanted, Some(&above), &Unreadable::begin())
        };
        for outside in ["beside", "work/out"] {
            let refused = below(&at(outside)).unwrap_err();
            assert!(refused.to_string().contains("not in the working directory"), "{refused}");
        }
        let lent = |view: &View| {
            let sights = view.sights.iter().filter(|sight| sight.at.starts_with(at("work")));
            sights.map(|sight| (sight.at.clone(), sight.what.clone())).collect::<Vec<_>>()
        };
        let kept = [
            (at("work/.git"), What::Write),
            (at("work/.git/hooks"), What::Read),
            (at("work/sub/tools"), What::Read),
        ];
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
