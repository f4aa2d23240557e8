//! Which directories are too wide: the machine's, a home, or one in which credentials would lie.

use std::path::{Path, PathBuf};

use super::hidden;
use super::view::{APART, SCRATCH};
use crate::exit::{Exit, Failure};

/// Directories of the root in which nobody works.
const INSTALLED: &[&str] = &["bin", "etc", "lib", "lib32", "lib64", "libx32", "opt", "sbin", "usr"];
/// The machine's with everything in them.
const WHOLLY: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/sbin",
    "/sys",
    "/usr/bin",
    "/usr/lib",
    "/usr/sbin",
];
/// Directories in which others have theirs.
const SHARED: &[&str] =
    &["/home", "/run", "/run/media", "/run/user", "/usr", "/usr/local", "/var", "/var/lib"];

/// Whether a directory is the machine's, and so nobody's home.
pub(super) fn is_the_machines(path: &Path) -> bool {
    let Ok(below) = path.strip_prefix("/") else { return true };
    let is_scratch = SCRATCH.iter().any(|scratch| path == Path::new(scratch));
    let is_apart =
        APART.iter().chain(INSTALLED).any(|name| *name != "root" && below == Path::new(name));
    below.as_os_str().is_empty() || is_apart || is_scratch
}

/// Refuses a working directory in which credentials would lie.
pub(super) fn must_be_narrow(
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
    let is_wholly = WHOLLY.iter().any(|whole| directory.starts_with(whole));
    let is_shared = SHARED.iter().any(|shared| directory == Path::new(shared));
    let is_somebodys =
        directory == Path::new("/root") || directory.parent() == Some(Path::new("/home"));
    if is_wholly || is_shared || is_somebodys || is_the_machines(directory) {
        return refused("it is the machine's, or all of somebody's".to_owned());
    }
    let canonical = hidden.iter().filter_map(|path| path.canonicalize().ok());
    let canonical: Vec<_> = canonical.collect();
    if let Some(path) = canonical.iter().find(|path| directory.starts_with(path)) {
        return refused(format!("it lies in `{}`", path.display()));
    }
    let mut in_the_way: Vec<PathBuf> = hidden.to_vec();
    in_the_way.extend(canonical);
    if let Some(home) = home {
        if home.starts_with(directory) {
            return refused("your home directory lies in it".to_owned());
        }
        let names = hidden::DIRECTORIES.iter().chain(hidden::FILES).map(|name| home.join(name));
        in_the_way.extend(names.chain(hidden::linked(home)));
    }
    match in_the_way.iter().find(|path| path.starts_with(directory)) {
        Some(path) => refused(format!("`{}` lies in it", path.display())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::is_the_machines;

    #[test]
    fn a_directory_of_the_root_is_nobodys_home() {
        for path in ["/", "/tmp", "/var/tmp", "/usr", "/home", "/run", "/etc"] {
            assert!(is_the_machines(Path::new(path)), "{path}");
        }
        for path in ["/root", "/app", "/home/me", "/var/lib/jenkins", "/tmp/x"] {
            assert!(!is_the_machines(Path::new(path)), "{path}");
        }
    }
}
