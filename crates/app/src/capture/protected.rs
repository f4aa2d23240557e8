//! What in the working directory is read-only: what a human's own tools would execute later.
//!
//! A mount keeps what it lies on from being renamed or removed, and not the directories above it.
//! So these are mounts as well, writable ones.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::message::{Sight, What};
use super::repository::{self, Repository};
use super::tree::walk;
use super::view::Work;
use crate::exit::{Exit, Failure};

/// Read-only where it is there, relative to the working directory.
const LOCKED: &[&str] = &[
    ".claude",
    ".codex",
    ".cursor",
    ".devcontainer",
    ".envrc",
    ".gemini",
    ".githooks",
    ".husky",
    ".idea",
    ".mcp.json",
    ".opencode",
    ".pre-commit-config.yaml",
    ".vscode",
    ".zed",
    "lefthook.yml",
    "marque.toml",
    "opencode.json",
];
/// Most repositories inside the working directory that are protected. More are only watched.
const NESTED_MAX: usize = 64;

/// What lies in the working directory, as far as it was looked through.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Sockets, which may be in no list of the kernel's under this path.
    pub(super) sockets: Vec<PathBuf>,
    /// Directories and pointers of git's below it.
    repositories: Vec<PathBuf>,
}

impl Contents {
    /// Looks through it.
    pub(super) fn of(directory: &Path) -> Self {
        use std::os::unix::fs::FileTypeExt as _;
        let mut contents = Self::default();
        walk(directory, (), |entry, kind, ()| {
            if kind.is_socket() {
                contents.sockets.push(entry.path());
            }
            let is_repository = entry.file_name() == ".git";
            if is_repository && (kind.is_dir() || kind.is_file()) {
                contents.repositories.push(entry.path());
            }
            (!is_repository && entry.file_name() != "objects").then_some(())
        });
        contents
    }
}

/// What is read-only in the working directory and in the repository it belongs to, and what must
/// stay where it is for that, in the order in which it is laid. What is read-only for a run `above`
/// is so for the one below it as well.
pub(super) fn locks(
    directory: &Path,
    repository: &Repository,
    contents: &Contents,
    above: Option<&Work>,
) -> Result<Vec<Sight>, Failure> {
    let mut locks = Locks { is_ours: above.is_none(), ..Locks::default() };
    for name in LOCKED {
        locks.lock(directory, directory.join(name));
    }
    if let Some(pointer) = &repository.pointer {
        locks.lock(pointer.parent().unwrap_or(directory), pointer.clone());
    }
    if let Some(git) = &repository.directory {
        let worktree = git.parent().unwrap_or(directory);
        locks.repository(git, git)?;
        let named = repository::named_by(git, worktree).into_iter();
        for path in named.filter_map(|path| path.canonicalize().ok()) {
            // What lies elsewhere is read-only anyway.
            if path.starts_with(directory) && path != directory {
                locks.lock(directory, path);
            }
        }
    }
    let own = [repository.pointer.as_ref(), repository.directory.as_ref()];
    let nested = contents.repositories.iter().filter(|path| !own.contains(&Some(*path)));
    for path in nested.take(NESTED_MAX) {
        if path.is_file() {
            locks.lock(directory, path.clone());
        } else {
            // A link in it is named if it is replaced; a repository that is none of the run's
            // work stops nobody.
            let _protected = locks.repository(directory, path);
        }
    }
    let is_inside = |path: &PathBuf| {
        let git = repository.directory.as_ref();
        path.starts_with(directory) || git.is_some_and(|git| path.starts_with(git))
    };
    let of_above = above.into_iter().flat_map(|above| &above.locked);
    locks.locked.extend(of_above.filter(|path| is_inside(path)).cloned());
    Ok(locks.sights())
}

#[derive(Default)]
struct Locks {
    /// Whether no run writes to it meanwhile, so that something may be made in it.
    is_ours: bool,
    /// Writable, and not to be moved away.
    kept: BTreeSet<PathBuf>,
    /// Read-only.
    locked: BTreeSet<PathBuf>,
}

impl Locks {
    /// Locks a path below `base`, which stays where it is, if something is there.
    fn lock(&mut self, base: &Path, path: PathBuf) {
        let Ok(found) = path.symlink_metadata() else { return };
        if found.is_symlink() {
            // Of a link no mount keeps it from being removed. It is named, if it is.
            return;
        }
        let above = path.ancestors().skip(1).take_while(|above| *above != base);
        self.kept.extend(above.filter(|above| above.starts_with(base)).map(Path::to_owned));
        self.locked.insert(path);
    }

    /// Locks what makes git start programs in a directory of git's.
    fn repository(&mut self, base: &Path, git: &Path) -> Result<(), Failure> {
        self.kept.insert(git.to_owned());
        if self.is_ours && repository::is_one(git) {
            // As git-init(1) makes it. What is not there cannot be locked.
            let _there = std::fs::create_dir(git.join("hooks"));
        }
        for path in repository::configuration(git) {
            if path.is_symlink() {
                let message = format!("`{}` is a link, which a run could replace", path.display());
                return Err(Failure::new(Exit::Failed, message).hint(
                    "put what it leads to in its place, or set `core.hooksPath` to that; or go \
                     without protection by `--tier advisory`",
                ));
            }
            self.lock(base, path);
        }
        Ok(())
    }

    fn sights(self) -> Vec<Sight> {
        let Self { kept, locked, .. } = self;
        let is_inside =
            |path: &PathBuf| path.ancestors().skip(1).any(|above| locked.contains(above));
        let kept = kept.into_iter().filter(|path| !locked.contains(path) && !is_inside(path));
        let kept: Vec<_> = kept.map(|at| Sight { at, what: What::Write }).collect();
        let locked = locked.iter().filter(|path| !is_inside(path)).cloned();
        let mut sights = kept;
        sights.extend(locked.map(|at| Sight { at, what: What::Read }));
        // A mount that is laid later covers those that lie below it.
        sights.sort_by_key(|sight| sight.at.components().count());
        sights
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Contents, locks};
    use crate::capture::message::What;
    use crate::capture::repository;

    #[test]
    fn what_would_be_executed_later_is_locked_and_so_are_the_ways_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let at = |name: &str| top.join(name);
        for name in [".git/objects", ".git/refs", ".git/info", "lib/a/.git/hooks", "tools/git"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        for (name, text) in [
            (".git/HEAD", "ref: refs/heads/main"),
            (".git/config", "[core]\nhooksPath = tools/git\n"),
            (".git/info/attributes", ""),
            ("lib/a/.git/config", ""),
            (".envrc", ""),
            ("sub", ""),
        ] {
            fs::write(at(name), text).unwrap();
        }
        let repository = repository::of(&top);
        let sights = locks(&top, &repository, &Contents::of(&top), None).unwrap();
        let those = |what: &What| {
            let sights = sights.iter().filter(|sight| sight.what == *what);
            let mut paths: Vec<_> = sights.map(|sight| sight.at.clone()).collect();
            paths.sort();
            paths
        };
        let locked = [
            ".envrc",
            ".git/config",
            ".git/hooks",
            ".git/info/attributes",
            "lib/a/.git/config",
            "lib/a/.git/hooks",
            "tools/git",
        ];
        assert_eq!(those(&What::Read), locked.map(at));
        let kept = [".git", ".git/info", "lib", "lib/a", "lib/a/.git", "tools"];
        assert_eq!(those(&What::Write), kept.map(at));
    }

    #[test]
    fn hooks_that_are_a_link_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        fs::create_dir_all(top.join(".git")).unwrap();
        std::os::unix::fs::symlink("../elsewhere", top.join(".git/hooks")).unwrap();
        let refused = locks(&top, &repository::of(&top), &Contents::default(), None);
        assert!(refused.unwrap_err().to_string().contains("is a link"));
    }
}
