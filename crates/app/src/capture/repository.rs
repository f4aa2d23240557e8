//! Repositories of git: which one a directory belongs to, and what makes git start programs.
//!
//! What lies in the working directory an earlier run may have written. So nothing there opens a
//! directory elsewhere that does not itself say that it belongs to this one.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::tree::walk;

/// What git takes its configuration and hooks from, in its directory (gitrepository-layout(5)).
pub(super) const CONFIGURATION: &[&str] =
    &["config", "config.worktree", "hooks", "info/attributes"];
/// What else makes git start programs, if it is there: configuration elsewhere, and what is left
/// to be done.
pub(super) const REDIRECTING: &[&str] =
    &["commondir", "rebase-merge/git-rebase-todo", "sequencer/todo"];
/// Most bytes of a file of git's that is read here.
const FILE_MAX_BYTES: u64 = 256 * 1024;

/// The directories git writes to from a directory, and its pointer to them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Repository {
    /// The `.git` that is a file, if it is one.
    pub(super) pointer: Option<PathBuf>,
    /// That of the repository; of the main one, if this is a linked worktree (git-worktree(1)).
    pub(super) directory: Option<PathBuf>,
}

/// The repository that `directory`, which is canonical, belongs to.
pub(super) fn of(directory: &Path) -> Repository {
    let mut above = directory.ancestors().map(|above| above.join(".git"));
    let Some(dot) = above.find(|dot| dot.symlink_metadata().is_ok()) else {
        return Repository::default();
    };
    match dot.symlink_metadata() {
        Ok(found) if found.is_dir() => Repository { pointer: None, directory: Some(dot) },
        Ok(found) if found.is_file() => {
            let directory = pointed_at(&dot);
            Repository { pointer: Some(dot), directory }
        }
        _ => Repository::default(),
    }
}

/// Where a pointer leads, if what is there says so as well.
fn pointed_at(dot: &Path) -> Option<PathBuf> {
    let text = text(dot)?;
    let above = dot.parent()?;
    let to = above.join(text.strip_prefix("gitdir:")?.trim()).canonicalize().ok()?;
    let main = main_of(&to);
    // A linked worktree: the main repository lists it, under the path of its pointer.
    if let Some(main) = main {
        let is_listed = to.parent() == Some(main.join("worktrees").as_path());
        let back = PathBuf::from(self::text(&to.join("gitdir"))?.trim());
        let is_this = to.join(back).canonicalize().ok()? == dot.canonicalize().ok()?;
        return (is_listed && is_this && is_one(&main)).then_some(main);
    }
    // A submodule: the repository that it is part of lies above it.
    let of_super =
        to.ancestors().find(|part| part.file_name().is_some_and(|name| name == ".git"))?;
    let is_part = above.starts_with(of_super.parent()?) && is_one(of_super) && is_one(&to);
    is_part.then_some(to)
}

fn main_of(linked: &Path) -> Option<PathBuf> {
    let common = text(&linked.join("commondir"))?;
    linked.join(common.trim()).canonicalize().ok()
}

/// Whether a directory looks like one of git's.
pub(super) fn is_one(directory: &Path) -> bool {
    let has = |name: &str| directory.join(name).exists();
    has("HEAD") && has("objects") && has("refs")
}

/// Configuration and hooks of a directory of git's, and of those inside it.
pub(super) fn configuration(directory: &Path) -> Vec<PathBuf> {
    let mut found = of_one(directory);
    for inner in ["modules", "worktrees"] {
        walk(&directory.join(inner), (), |entry, kind, ()| {
            let name = entry.file_name();
            if !kind.is_dir() || ["objects", "refs", "logs"].iter().any(|other| name == *other) {
                return None;
            }
            found.extend(of_one(&entry.path()));
            Some(())
        });
    }
    found
}

fn of_one(directory: &Path) -> Vec<PathBuf> {
    let paths = CONFIGURATION.iter().map(|name| directory.join(name));
    paths.filter(|path| path.symlink_metadata().is_ok()).collect()
}

/// Paths that a repository's configuration names, whether or not they are there: hooks elsewhere,
/// further configuration, programs that git starts.
pub(super) fn named_by(directory: &Path, worktree: &Path) -> Vec<PathBuf> {
    let Some(text) = text(&directory.join("config")) else { return Vec::new() };
    let named = text.lines().filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        let value = value.trim().trim_matches('"');
        let word = value.split_ascii_whitespace().next()?.trim_start_matches('!');
        // git-config(1): names are compared without regard to case.
        match key.trim().to_ascii_lowercase().as_str() {
            "hookspath" => Some(worktree.join(value)),
            "path" | "attributesfile" => Some(directory.join(value)),
            _ if word.contains('/') => Some(worktree.join(word)).filter(|path| path.is_file()),
            _ => None,
        }
    });
    named.collect()
}

/// A small file's text. No pipe is waited at.
fn text(path: &Path) -> Option<String> {
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(FILE_MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{Repository, named_by, of};

    fn repository(at: &Path) {
        for name in ["objects", "refs", "hooks"] {
            fs::create_dir_all(at.join(name)).unwrap();
        }
        fs::write(at.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    }

    #[test]
    fn a_pointer_opens_only_a_repository_that_points_back() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let (main, work) = (top.join("main/.git"), top.join("work"));
        repository(&main);
        fs::create_dir_all(main.join("worktrees/work")).unwrap();
        fs::create_dir_all(&work).unwrap();
        let dot = work.join(".git");
        let points = |to: &Path| fs::write(&dot, format!("gitdir: {}\n", to.display())).unwrap();
        let opened = || of(&work).directory;

        points(&main.join("worktrees/work"));
        assert_eq!(opened(), None, "it does not point back");
        fs::write(main.join("worktrees/work/commondir"), "../..\n").unwrap();
        fs::write(main.join("worktrees/work/gitdir"), format!("{}\n", dot.display())).unwrap();
        assert_eq!(
            of(&work),
            Repository { pointer: Some(dot.clone()), directory: Some(main.clone()) }
        );
        for elsewhere in [&main, &top.join("main"), &top] {
            points(elsewhere);
            assert_eq!(opened(), None, "{elsewhere:?} knows nothing of it");
        }

        let sub = top.join("main/sub");
        repository(&main.join("modules/sub"));
        fs::create_dir_all(&sub).unwrap();
        fs::write(sub.join(".git"), "gitdir: ../.git/modules/sub\n").unwrap();
        assert_eq!(of(&sub).directory, Some(main.join("modules/sub")));
    }

    #[test]
    fn what_the_configuration_names_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        repository(&top.join(".git"));
        fs::create_dir_all(top.join("tools")).unwrap();
        fs::write(top.join("shared"), "").unwrap();
        let text =
            "[core]\n\thooksPath = tools\n[include]\n\tpath = ../shared\n\tpath = ../absent\n";
        fs::write(top.join(".git/config"), text).unwrap();
        let named = [top.join("tools"), top.join(".git/../shared"), top.join(".git/../absent")];
        assert_eq!(named_by(&top.join(".git"), &top), named);
    }
}
