//! Where the human's passphrase comes from: a terminal, or a private file. Never argv, never the
//! environment.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use marque_crypto::Secret;
use rustix::fs::{Mode, OFlags};

use crate::exit::{Exit, Failure};

/// Longest secret that is read from a file or a pipe, in bytes.
const SECRET_MAX_BYTES: u64 = 64 * 1024;

/// How to ask the human.
#[derive(Debug, Clone)]
pub(crate) struct FactorSource {
    file: Option<PathBuf>,
}

impl FactorSource {
    /// From `file` (`-` is standard input), or from the terminal if there is none.
    pub(crate) fn new(file: Option<PathBuf>) -> Self {
        Self { file }
    }

    /// The private file, if it is taken from one.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Whether anybody can be asked at all.
    pub(crate) fn can_ask(&self) -> bool {
        self.file.is_some() || has_terminal()
    }

    /// The passphrase.
    pub(crate) fn ask(&self, prompt: &str) -> Result<Secret, Failure> {
        match &self.file {
            Some(file) => secret_from(file, "passphrase"),
            None => prompted(prompt),
        }
    }

    /// A new passphrase: typed twice, or once from a file.
    pub(crate) fn ask_new(&self) -> Result<Secret, Failure> {
        let first = self.ask("New passphrase: ")?;
        if self.file.is_none() && !prompted("The same again: ")?.matches(first.expose()) {
            return Err(Failure::new(Exit::Failed, "the two passphrases differ"));
        }
        Ok(first)
    }
}

/// One line from the terminal, unseen.
pub(crate) fn prompted(prompt: &str) -> Result<Secret, Failure> {
    if !has_terminal() {
        return Err(Failure::new(Exit::Usage, "there is no terminal to ask for the passphrase at")
            .hint("give it with `--passphrase-file FILE`; `-` is standard input"));
    }
    let typed = rpassword::prompt_password(prompt).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot read the terminal: {error}"))
    })?;
    Ok(Secret::from_string(typed))
}

/// Whether a human sits here. Input may be a pipe, as in `git diff | marque run …`.
fn has_terminal() -> bool {
    let attached = io::stdin().is_terminal() || io::stderr().is_terminal();
    attached && File::open("/dev/tty").is_ok()
}

/// The secret in a private file, or on standard input for `-`, without its last line break.
pub(crate) fn secret_from(path: &Path, what: &str) -> Result<Secret, Failure> {
    let failed = |why: &str| {
        Failure::new(
            Exit::Failed,
            format!("cannot take the {what} from `{}`: {why}", path.display()),
        )
    };
    if path == Path::new("-") {
        return read(io::stdin().lock()).map_err(|error| failed(&error.to_string()));
    }
    // NONBLOCK: a named pipe must not hold us up.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())
        .map_err(|errno| failed(&io::Error::from(errno).to_string()))?;
    let file = File::from(file);
    let found = file.metadata().map_err(|error| failed(&error.to_string()))?;
    if !found.is_file() {
        return Err(failed("it is not a regular file").hint("`-` reads standard input"));
    }
    let mode = found.permissions().mode() & 0o777;
    if found.uid() != rustix::process::geteuid().as_raw() || mode & 0o077 != 0 {
        let why = format!("others may read it: its mode is {mode:04o}");
        return Err(failed(&why).hint(format!("run `chmod 600 {}`", path.display())));
    }
    read(file).map_err(|error| failed(&error.to_string()))
}

fn read(source: impl Read) -> io::Result<Secret> {
    // Room from the start: growing would leave copies behind.
    let room = usize::try_from(SECRET_MAX_BYTES).unwrap_or(0) + 1;
    let mut bytes = Vec::with_capacity(room);
    let read = source.take(SECRET_MAX_BYTES + 1).read_to_end(&mut bytes);
    let mut secret = Secret::from_vec(bytes);
    read?;
    if u64::try_from(secret.len()).unwrap_or(u64::MAX) > SECRET_MAX_BYTES {
        return Err(io::Error::other("it is longer than 64 KiB"));
    }
    let trimmed = match secret.expose() {
        [text @ .., b'\r', b'\n'] | [text @ .., b'\n'] => Some(text.len()),
        _ => None,
    };
    if let Some(kept) = trimmed {
        secret = Secret::from_vec(secret.expose().iter().copied().take(kept).collect());
    }
    if secret.is_empty() {
        return Err(io::Error::other("it is empty"));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::secret_from;

    // threat 158
    #[test]
    fn a_secret_comes_only_from_a_private_regular_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passphrase");
        std::fs::write(&path, "correct horse\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(secret_from(&path, "passphrase").is_err());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(secret_from(&path, "passphrase").unwrap().matches(b"correct horse"));
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(secret_from(&link, "passphrase").is_err());
        assert!(secret_from(dir.path(), "passphrase").is_err());
    }
}
