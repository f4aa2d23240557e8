//! What in the working directory a human's own tools would execute later, and a run wrote.
//!
//! What could not be made read-only is compared before and after, and named at the end.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::repository::{self, CONFIGURATION, REDIRECTING};
use super::tree::walk;

/// Names that build tools, shells, editors and agents execute from.
const EXECUTED: &[&str] = &[
    ".bazelrc",
    ".cursorrules",
    ".dir-locals.el",
    ".envrc",
    ".eslintrc.js",
    ".exrc",
    ".git",
    ".gitattributes",
    ".gitlab-ci.yml",
    ".gitmodules",
    ".lfsconfig",
    ".mcp.json",
    ".mise.toml",
    ".nvim.lua",
    ".npmrc",
    ".pnpmfile.cjs",
    ".pre-commit-config.yaml",
    ".travis.yml",
    ".vimrc",
    ".windsurfrules",
    ".yarnrc",
    ".yarnrc.yml",
    "AGENTS.md",
    "BUILD",
    "BUILD.bazel",
    "CLAUDE.md",
    "CMakeLists.txt",
    "Cargo.toml",
    "Dockerfile",
    "Earthfile",
    "GEMINI.md",
    "GNUmakefile",
    "Gemfile",
    "Jenkinsfile",
    "Justfile",
    "Makefile",
    "Procfile",
    "Rakefile",
    "Taskfile.yml",
    "Tiltfile",
    "Vagrantfile",
    "azure-pipelines.yml",
    "build.gradle",
    "build.gradle.kts",
    "build.rs",
    "compose.yaml",
    "configure",
    "conftest.py",
    "default.nix",
    "docker-compose.yml",
    "flake.nix",
    "gradlew",
    "justfile",
    "lefthook.yml",
    "makefile",
    "marque.toml",
    "meson.build",
    "mise.toml",
    "mvnw",
    "noxfile.py",
    "opencode.json",
    "package.json",
    "pom.xml",
    "pyproject.toml",
    "rust-toolchain.toml",
    "settings.gradle",
    "settings.gradle.kts",
    "setup.cfg",
    "setup.py",
    "shell.nix",
    "sitecustomize.py",
    "tox.ini",
];
/// How names of other such files end.
const ENDINGS: &[&str] = &["code-workspace", "desktop", "pth"];
/// Directories everything in which is executed.
const ALL_EXECUTED: &[&str] = &[
    ".cargo",
    ".circleci",
    ".claude",
    ".codex",
    ".cursor",
    ".devcontainer",
    ".gemini",
    ".githooks",
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
/// Run as its owner or its group, by whoever starts it.
const AS_OWNER: u32 = 0o6000;

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
        let mut executed = Self::default();
        executed.is_whole = executed.walk(directory, false);
        for git in git {
            executed.repository(git);
            for path in repository::named_by(git, git.parent().unwrap_or(directory)) {
                executed.all_of(path);
            }
        }
        executed
    }

    /// What is new or different in `self`, compared with `before`; what lies nearest comes first.
    pub(super) fn since(&self, before: &Self) -> Vec<PathBuf> {
        let changed =
            self.seen.iter().filter(|(path, state)| before.seen.get(*path) != Some(state));
        let mut changed: Vec<_> = changed.map(|(path, _)| path.clone()).collect();
        changed.sort_by_key(|path| path.components().count());
        changed
    }

    /// Whether something lies at that path.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.seen.contains_key(path)
    }

    fn walk(&mut self, directory: &Path, all: bool) -> bool {
        let mut repositories = Vec::new();
        let is_whole = walk(directory, all, |entry, kind, all| {
            let name = entry.file_name();
            let is_one_of = |names: &[&str]| names.iter().any(|known| name == *known);
            if !kind.is_dir() {
                // Any of those directories can be a link to another.
                let path = entry.path();
                let ending = path.extension().unwrap_or_default();
                let is_named = all
                    || is_one_of(EXECUTED)
                    || is_one_of(ALL_EXECUTED)
                    || ENDINGS.iter().any(|known| ending == *known);
                if let Ok(found) = entry.metadata()
                    && (is_named || runs_as_owner(&found))
                {
                    self.note(entry.path(), &found);
                }
                return None;
            }
            if name == ".git" || (name != "objects" && repository::is_one(&entry.path())) {
                repositories.push(entry.path());
                return None;
            }
            (!is_one_of(PASSED_OVER)).then(|| all || is_one_of(ALL_EXECUTED))
        });
        for repository in repositories {
            self.repository(&repository);
        }
        is_whole
    }

    fn repository(&mut self, git: &Path) {
        let paths = CONFIGURATION.iter().chain(REDIRECTING).map(|name| git.join(name));
        for path in repository::configuration(git).into_iter().chain(paths) {
            self.all_of(path);
        }
    }

    fn all_of(&mut self, path: PathBuf) {
        match path.symlink_metadata() {
            Ok(found) if found.is_dir() => self.is_whole &= self.walk(&path, true),
            Ok(found) => self.note(path, &found),
            Err(_) => {}
        }
    }

    // A changed time of change is what no program inside can set back (inode(7)).
    fn note(&mut self, path: PathBuf, found: &Metadata) {
        let state = (found.ino(), found.ctime(), found.ctime_nsec(), found.size());
        self.seen.insert(path, state);
    }
}

fn runs_as_owner(found: &Metadata) -> bool {
    found.is_file() && found.permissions().mode() & AS_OWNER != 0
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::Executed;

    #[test]
    fn what_would_be_executed_later_is_listed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for directory in [".git/hooks", ".github/workflows", "src", "node_modules/x", "new/.git"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        for file in [".git/config", "Makefile", "src/main.rs", ".envrc"] {
            fs::write(at(file), "1").unwrap();
        }
        let git = [at(".git")];
        let before = Executed::of(dir.path(), &git);
        for file in [
            "src/main.rs",
            ".github/workflows/ci.yml",
            "node_modules/x/package.json",
            ".git/hooks/pre-commit",
            ".git/commondir",
            "new/.git/config",
            "build.rs",
            "helper",
        ] {
            fs::write(at(file), "2").unwrap();
        }
        fs::set_permissions(at("helper"), fs::Permissions::from_mode(0o4755)).unwrap();
        symlink("src", at(".vscode")).unwrap();
        let changed = Executed::of(dir.path(), &git).since(&before);
        let expected = [
            ".vscode",
            "build.rs",
            "helper",
            ".git/commondir",
            ".git/hooks/pre-commit",
            ".github/workflows/ci.yml",
            "new/.git/config",
        ];
        assert_eq!(changed, expected.map(at));
    }
}
