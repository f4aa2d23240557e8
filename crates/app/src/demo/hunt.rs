//! The hunt for a canary: is a text anywhere in what processes were given, in files, or in what was
//! printed?
//!
//! Looks at copies, not at memory: a process that was never given a secret cannot hold it.

use std::path::{Path, PathBuf};

use super::process::{contains, read, tree};

/// Where to look, and what was found.
#[derive(Default)]
pub(super) struct Hunt {
    /// What was looked at: process files, files, outputs.
    pub(super) places: usize,
    /// Where it was.
    pub(super) found: Vec<String>,
    canary: Vec<u8>,
}

impl Hunt {
    /// A hunt for that text.
    pub(super) fn new(canary: &str) -> Self {
        Self { canary: canary.as_bytes().to_vec(), ..Self::default() }
    }

    /// Looks into the arguments and the environment of a process and everything below it.
    pub(super) fn processes(&mut self, root: u32) {
        for pid in tree(root) {
            for file in ["cmdline", "environ"] {
                self.look(&read(pid, file), || format!("/proc/{pid}/{file}"));
            }
        }
    }

    /// Looks into every regular file below a directory, and at its name.
    pub(super) fn files(&mut self, dir: &Path) {
        let mut folders: Vec<PathBuf> = vec![dir.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            for entry in entries {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(path),
                    Ok(kind) if kind.is_file() => {
                        // A file that went away in between is not there to be found.
                        let bytes = std::fs::read(&path).unwrap_or_default();
                        self.look(&bytes, || path.display().to_string());
                        self.look(path.as_os_str().as_encoded_bytes(), || {
                            format!("the name of {}", path.display())
                        });
                    }
                    _ => {}
                }
            }
        }
    }

    /// Looks into something that was printed.
    pub(super) fn look(&mut self, bytes: &[u8], place: impl FnOnce() -> String) {
        self.places += 1;
        if contains(bytes, &self.canary) {
            self.found.push(place());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Hunt;

    #[test]
    fn a_canary_is_found_in_files_names_and_the_environment_of_processes() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("deep")).unwrap();
        std::fs::write(dir.path().join("deep/file"), "xx canary-1 yy").unwrap();
        std::fs::write(dir.path().join("canary-1"), "").unwrap();
        let mut child = std::process::Command::new("sleep")
            .arg("30")
            .env("SOME_NAME", "canary-1")
            .spawn()
            .unwrap();
        let mut hunt = Hunt::new("canary-1");
        hunt.files(dir.path());
        hunt.processes(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(hunt.found.len(), 3, "{:?}", hunt.found);
        assert_eq!(Hunt::new("canary-2").found.len(), 0);
    }
}
