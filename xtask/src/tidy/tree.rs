//! The files of the repository, and what a rule found in them.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

/// Every file git tracks or would add, with its content.
pub(super) struct Tree {
    pub(super) files: Vec<File>,
}

pub(super) struct File {
    /// Relative to the root, with `/`.
    pub(super) path: String,
    pub(super) size_bytes: usize,
    /// Empty for a file that is not UTF-8.
    pub(super) text: String,
}

/// A broken rule: where, and what to do about it. `line` is 0 when the whole file is meant.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Tree {
    /// Reads the working tree, new files included, so that a finding shows before the commit.
    ///
    /// The root is where git says it is: a path compiled in is another clone's as soon as two share
    /// a target folder.
    pub(super) fn read() -> anyhow::Result<Self> {
        let root = git(Path::new("."), &["rev-parse", "--show-toplevel"])?;
        let root = Path::new(root.trim_end());
        let paths = git(root, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
        let unique: BTreeSet<&str> = paths.split_terminator('\0').collect();
        // A file deleted but not yet committed is listed and absent.
        let files = unique.into_iter().filter_map(|path| File::read(root, path)).collect();
        Ok(Self { files })
    }

    /// The files whose name ends in `.extension`.
    pub(super) fn with_extension(&self, extension: &str) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| file.extension() == extension)
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |&(path, text): &(&str, &str)| File {
            path: path.to_owned(),
            size_bytes: text.len(),
            text: text.to_owned(),
        };
        Self { files: files.iter().map(file).collect() }
    }
}

fn git(folder: &Path, args: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git")
        // A clone owned by somebody else, as in a CI container, is still ours to read.
        .args(["-c", "safe.directory=*"])
        .args(args)
        .current_dir(folder)
        .output()
        .context("cannot run git; tidy needs it, and a clone")?;
    let problem = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {} failed: {}", args.join(" "), problem.trim());
    String::from_utf8(output.stdout).context("a file name is not UTF-8")
}

impl File {
    fn read(root: &Path, path: &str) -> Option<Self> {
        let bytes = std::fs::read(root.join(path)).ok()?;
        let size_bytes = bytes.len();
        let text = String::from_utf8(bytes).unwrap_or_default();
        Some(Self { path: path.to_owned(), size_bytes, text })
    }

    pub(super) fn extension(&self) -> &str {
        Path::new(&self.path).extension().and_then(|end| end.to_str()).unwrap_or_default()
    }

    /// Whether the whole file is tests.
    pub(super) fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name == "tests.rs"
            || name.ends_with("_tests.rs")
            || self.path.split('/').any(|part| part == "tests")
    }

    /// The lines with their numbers, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    pub(super) fn finding(&self, line: usize, message: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}
