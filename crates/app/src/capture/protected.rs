//! What in the working directory a human's own tools would execute later.
//!
//! What is there is read-only inside. What is new or changed after the run is listed.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Read-only where it is there, relative to the working directory.
const LOCKED: &[&str] = &[
    ".claude",
    ".codex",
    ".cursor",
    ".devcontainer",
    ".envrc",
    ".gemini",
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
/// The same in a directory of git's (gitrepository-layout(5)).
const LOCKED_BY_GIT: &[&str] = &["config", "config.worktree", "hooks", "info/attributes"];
/// Names that build tools, shells and editors execute from.
const EXECUTED: &[&str] = &[
    ".bazelrc",
    ".envrc",
    ".gitattributes",
    ".gitlab-ci.yml",
    ".gitmodules",
    ".mcp.json",
    ".npmrc",
    ".pre-commit-config.yaml",
    ".yarnrc.yml",
    "BUILD",
    "BUILD.bazel",
    "CMakeLists.txt",
    "Cargo.toml",
    "Dockerfile",
    "GNUmakefile",
    "Gemfile",
    "Jenkinsfile",
    "Makefile",
    "Rakefile",
    "Taskfile.yml",
    "Vagrantfile",
    "build.gradle",
    "build.gradle.kts",
    "build.rs",
    "compose.yaml",
    "conftest.py",
    "docker-compose.yml",
    "gradlew",
    "justfile",
    "lefthook.yml",
    "makefile",
    "marque.toml",
    "opencode.json",
    "package.json",
    "pom.xml",
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
    "tox.ini",
];
/// Directories everything in which is executed.
const ALL_EXECUTED: &[&str] = &[
    ".cargo",
    ".circleci",
    ".claude",
    ".codex",
    ".cursor",
    ".devcontainer",
    ".gemini",
    ".github",
    ".husky",
    ".idea",
    ".opencode",
    ".vscode",
    ".zed",
    "hooks",
];
/// Directories that hold what others made.
const PASSED_OVER: &[&str] = &["node_modules", "target", ".venv", "venv", "objects", "__pycache__"];
/// Most entries that are looked at, and how deep.
const ENTRIES_MAX: usize = 20_000;
const DEPTH_MAX: usize = 8;
/// Most bytes of a file that says where a directory of git's is.
const TEXT_MAX_BYTES: u64 = 256 * 1024;

/// What is read-only in the working directory, and the directories of git's that must stay where
/// they are.
pub(super) struct Locks {
    /// Writable, and not to be moved away.
    pub(super) kept: Vec<PathBuf>,
    /// Read-only.
    pub(super) locked: Vec<PathBuf>,
}

/// The locks of a working directory whose directories of git's are these.
pub(super) fn locks(directory: &Path, git: &[PathBuf]) -> Locks {
    let own = LOCKED.iter().map(|name| directory.join(name));
    let mut locked: Vec<PathBuf> = own.filter(|path| path.exists()).collect();
    for git in git {
        let of_git = LOCKED_BY_GIT.iter().map(|name| git.join(name));
        locked.extend(of_git.filter(|path| path.exists()));
        locked.extend(nested(&git.join("modules"), DEPTH_MAX));
        locked.extend(nested(&git.join("worktrees"), DEPTH_MAX));
    }
    Locks { kept: git.to_vec(), locked }
}

/// Configuration and hooks of repositories inside a repository.
fn nested(directory: &Path, depth: usize) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Some(depth) = depth.checked_sub(1) else { return found };
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if !path.is_dir() || path.is_symlink() {
            continue;
        }
        let of_git = LOCKED_BY_GIT.iter().map(|name| path.join(name));
        let locked: Vec<_> = of_git.filter(|path| path.exists()).collect();
        let is_repository = !locked.is_empty();
        found.extend(locked);
        if !is_repository || path.join("modules").is_dir() {
            found.extend(nested(&path, depth));
        }
    }
    found
}

/// The directories git would write to from `directory`: that of its repository, and of the main one
/// if it is a linked worktree (git-worktree(1)).
pub(super) fn directories_of_git(directory: &Path) -> Vec<PathBuf> {
    let Some(dot) = directory.ancestors().map(|above| above.join(".git")).find(|dot| dot.exists())
    else {
        return Vec::new();
    };
    let linked = || {
        let found = text(&dot)?;
        let to = dot.parent()?.join(found.strip_prefix("gitdir:")?.trim());
        if !refers_back(&to, &dot) {
            return None;
        }
        let common = text(&to.join("commondir"));
        let common = common.map(|common| to.join(common.trim()));
        common.unwrap_or(to).canonicalize().ok()
    };
    if dot.is_dir() { vec![dot] } else { linked().into_iter().collect() }
}

/// Whether a directory of git's says itself that it belongs to the file `dot`. Whoever can write to
/// a working directory can have a file there lead anywhere, and cannot write to the other end.
fn refers_back(to: &Path, dot: &Path) -> bool {
    let Ok(dot) = dot.canonicalize() else { return false };
    let is_dot = |path: PathBuf| path.canonicalize().is_ok_and(|path| path == dot);
    // A linked worktree (gitrepository-layout(5), `gitdir`), or a submodule (`core.worktree`).
    let linked = text(&to.join("gitdir"));
    if linked.is_some_and(|back| is_dot(to.join(back.trim()))) {
        return true;
    }
    let config = text(&to.join("config")).unwrap_or_default();
    let worktree = config.lines().filter_map(|line| line.trim().strip_prefix("worktree"));
    let mut worktree = worktree.filter_map(|rest| rest.trim_start().strip_prefix('='));
    worktree.any(|tree| is_dot(to.join(tree.trim()).join(".git")))
}

/// What a small file says; nothing of what would keep its reader waiting, as a pipe does.
fn text(path: &Path) -> Option<String> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    let mut text = String::new();
    file.metadata().ok().filter(Metadata::is_file)?;
    file.take(TEXT_MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// What of a directory would be executed, as it is now.
#[derive(Debug, Default)]
pub(crate) struct Executed {
    seen: BTreeMap<PathBuf, (u64, i64, i64, u64)>,
    /// Whether everything was looked at.
    pub(crate) is_whole: bool,
}

impl Executed {
    /// Looks at a directory and at directories of git's.
    pub(super) fn of(directory: &Path, git: &[PathBuf]) -> Self {
        let mut executed = Self { is_whole: true, ..Self::default() };
        let mut left = ENTRIES_MAX;
        executed.walk(directory, (false, DEPTH_MAX), &mut left);
        for path in git.iter().flat_map(|git| LOCKED_BY_GIT.iter().map(|name| git.join(name))) {
            match path.symlink_metadata() {
                Ok(found) if found.is_dir() => {
                    executed.walk(&path, (true, DEPTH_MAX), &mut left);
                }
                Ok(found) => executed.note(path, &found),
                Err(_) => {}
            }
        }
        executed
    }

    /// What is new or different in `self`, compared with `before`.
    pub(super) fn since(&self, before: &Self) -> Vec<PathBuf> {
        let changed =
            self.seen.iter().filter(|(path, state)| before.seen.get(*path) != Some(state));
        changed.map(|(path, _)| path.clone()).collect()
    }

    fn walk(&mut self, directory: &Path, (all, depth): (bool, usize), left: &mut usize) {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let Some(fewer) = left.checked_sub(1) else {
                self.is_whole = false;
                return;
            };
            *left = fewer;
            let name = entry.file_name();
            let is_one_of = |names: &[&str]| names.iter().any(|known| name == *known);
            let Ok(found) = entry.metadata() else { continue };
            if !found.is_dir() {
                if all || is_one_of(EXECUTED) {
                    self.note(entry.path(), &found);
                }
            } else if name != ".git" && !is_one_of(PASSED_OVER) {
                match depth.checked_sub(1) {
                    Some(depth) => {
                        self.walk(&entry.path(), (all || is_one_of(ALL_EXECUTED), depth), left);
                    }
                    None => self.is_whole = false,
                }
            }
        }
    }

    // A changed time of change is what no program inside can set back (inode(7)).
    fn note(&mut self, path: PathBuf, found: &Metadata) {
        let state = (found.ino(), found.ctime(), found.ctime_nsec(), found.size());
        self.seen.insert(path, state);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Executed, directories_of_git, locks};

    #[test]
    fn what_would_be_executed_later_is_locked_or_listed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for directory in [".git/hooks", ".github/workflows", "src", "node_modules/x"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        for file in [".git/config", "Makefile", "src/main.rs", ".envrc"] {
            fs::write(at(file), "1").unwrap();
        }
        let git = directories_of_git(&at("src"));
        assert_eq!(git, [at(".git")]);
        fs::create_dir_all(at("gh")).unwrap();
        fs::write(at("src/.git"), "gitdir: ../gh\n").unwrap();
        assert!(directories_of_git(&at("src")).is_empty(), "it does not say that it belongs here");
        fs::write(at("gh/config"), "[core]\n\tworktree = ../src\n").unwrap();
        assert_eq!(directories_of_git(&at("src")), [at("gh").canonicalize().unwrap()]);
        fs::remove_file(at("src/.git")).unwrap();
        let locks = locks(dir.path(), &git);
        assert_eq!(locks.locked, [at(".envrc"), at(".git/config"), at(".git/hooks")]);

        let before = Executed::of(dir.path(), &git);
        for file in [
            "src/main.rs",
            ".github/workflows/ci.yml",
            "node_modules/x/package.json",
            ".git/hooks/pre-commit",
            "build.rs",
        ] {
            fs::write(at(file), "2").unwrap();
        }
        let changed = Executed::of(dir.path(), &git).since(&before);
        let expected = [".git/hooks/pre-commit", ".github/workflows/ci.yml", "build.rs"].map(at);
        assert_eq!(changed, expected);
    }
}
