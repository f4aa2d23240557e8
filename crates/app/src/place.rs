//! Where things lie: the data directory, and the anchors outside it.
//!
//! The data directory is the plane: its owner's alone (0700), made on first use. Anchors lie
//! elsewhere on purpose, so that who rewrites one does not hold the other.

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::environment::Environment;
use crate::exit::{Exit, Failure};

/// Longest path a Unix socket can have on Linux, in bytes (`sun_path`, without its zero).
const SOCKET_PATH_MAX: usize = 107;

/// The directory that holds one plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// The named one, or `$XDG_DATA_HOME/marque`, or `~/.local/share/marque`. Always absolute.
    pub(crate) fn find(named: Option<&Path>, environment: &Environment) -> Result<Self, Failure> {
        let path = match named {
            Some(path) => {
                std::path::absolute(path).map_err(|error| cannot("find", path, &error))?
            }
            None => base(environment, "XDG_DATA_HOME", ".local/share")?.join("marque"),
        };
        Ok(Self(path))
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The admin API's socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join("marque.sock")
    }

    /// Where launchers hand over the doors of captured runs.
    pub(crate) fn doors(&self) -> PathBuf {
        self.0.join("doors.sock")
    }

    /// The store.
    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("marque.db")
    }

    /// Says in which database the plane is, if it is in one.
    pub(crate) fn database_place(&self) -> PathBuf {
        self.0.join("database")
    }

    /// A key file, such as `log`.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.0.join("keys").join(name)
    }

    /// The public half of the log's key, as C2SP prints it.
    pub(crate) fn log_verifier(&self) -> PathBuf {
        self.0.join("log.vkey")
    }

    /// The authority behind the token service's certificate, where the server made one itself.
    pub(crate) fn issuer_authority(&self) -> PathBuf {
        self.0.join("issuer-ca.pem")
    }

    /// What this server saw of its log.
    pub(crate) fn seen(&self) -> PathBuf {
        self.0.join("seen")
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    /// Organisation policies, unless the configuration names another directory.
    pub(crate) fn policies(&self) -> PathBuf {
        self.0.join("policies")
    }

    /// What a server in the background prints.
    pub(crate) fn server_trace(&self) -> PathBuf {
        self.0.join("server.log")
    }

    /// Makes the directory and its folders where they are missing, and refuses one that others own
    /// or may enter (threat 158).
    pub(crate) fn prepare(&self) -> Result<(), Failure> {
        if self.socket().as_os_str().len() > SOCKET_PATH_MAX {
            let message = format!(
                "`{}` is too long: a Unix socket's path has at most {SOCKET_PATH_MAX} bytes",
                self.socket().display()
            );
            return Err(Failure::new(Exit::Failed, message)
                .hint("name a shorter directory with `--data-dir` or `MARQUE_DATA`"));
        }
        private_dir(&self.0)?;
        private_dir(&self.0.join("keys"))?;
        private_dir(&self.policies())
    }

    /// Keeps every other server off this directory, for as long as the file is open. A store in
    /// files takes the same lock by itself.
    pub(crate) fn lock(&self) -> Result<File, Failure> {
        let path = self.0.join("marque.db.lock");
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600));
        let file = File::from(opened.map_err(|errno| cannot("open", &path, &errno.into()))?);
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                let message = format!(
                    "the data directory `{}` is in use by another server: stop that one, or give \
                     this one another data directory",
                    self.0.display()
                );
                Err(Failure::new(Exit::Failed, message))
            }
            Err(TryLockError::Error(error)) => Err(cannot("lock", &path, &error)),
        }
    }

    /// Fails if there is no plane here, nor has been one that is in a database now.
    pub(crate) fn must_exist(&self) -> Result<(), Failure> {
        if self.database().exists() || self.database_place().exists() {
            return Ok(());
        }
        let message = format!("there is no plane in `{}`", self.0.display());
        Err(Failure::new(Exit::Unavailable, message)
            .hint("make one with `marque claim`, or name another with `--data-dir`"))
    }
}

/// Writes a file that only its owner can read, and follows no link.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    create_private(path, text).map(drop)
}

/// Puts such a file in place of the one that is there, whole or not at all; durable when this
/// returns.
pub(crate) fn replace_private(path: &Path, text: &str) -> io::Result<()> {
    replace(path, text, 0o600)
}

/// The same with a file that others may read, where they get at it.
pub(crate) fn replace_public(path: &Path, text: &str) -> io::Result<()> {
    replace(path, text, 0o644)
}

fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let aside = path.with_extension("new");
    let file = create_private(&aside, text)?;
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.sync_all()?;
    std::fs::rename(&aside, path)?;
    // The name is only durable with its directory.
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

fn create_private(path: &Path, text: &str) -> io::Result<File> {
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))?);
    io::Write::write_all(&mut file, text.as_bytes())?;
    Ok(file)
}

/// Makes a directory only its owner can enter, or checks the one that is there.
pub(crate) fn private_dir(path: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| cannot("make", path, &error))?;
    // On the open directory, so that nobody can put another in its place between check and use.
    let dir = File::open(path).map_err(|error| cannot("open", path, &error))?;
    let found = dir.metadata().map_err(|error| cannot("open", path, &error))?;
    let shown = path.display();
    if found.uid() != rustix::process::geteuid().as_raw() {
        let message = format!("`{shown}` belongs to user {}", found.uid());
        return Err(Failure::new(Exit::Failed, message)
            .hint("name a directory of your own with `--data-dir`"));
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let message = format!("others may enter `{shown}`: its mode is {mode:04o}");
        return Err(Failure::new(Exit::Failed, message).hint(format!("run `chmod 700 {shown}`")));
    }
    Ok(())
}

/// Where launchers keep what they saw of logs: `$XDG_STATE_HOME/marque/anchors`, or the same under
/// `~/.local/state`.
pub(crate) fn anchors_dir(environment: &Environment) -> Result<PathBuf, Failure> {
    Ok(base(environment, "XDG_STATE_HOME", ".local/state")?.join("marque").join("anchors"))
}

fn base(environment: &Environment, variable: &str, fallback: &str) -> Result<PathBuf, Failure> {
    if let Some(path) = environment.path(variable) {
        return Ok(path);
    }
    let home = environment.path("HOME").map(|home| home.join(fallback));
    home.ok_or_else(|| {
        Failure::new(Exit::Usage, format!("neither `{variable}` nor `HOME` is set"))
            .hint("name the data directory with `--data-dir` or `MARQUE_DATA`")
    })
}

fn cannot(verb: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot {verb} `{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::DataDir;
    use crate::environment::Environment;

    #[test]
    fn the_data_directory_follows_the_flag_then_xdg_then_home() {
        let check = |named: Option<&str>, variables: &[(&str, &str)], expected: &str| {
            let environment = variables.iter().copied().collect::<Environment>();
            let found = DataDir::find(named.map(Path::new), &environment).unwrap();
            assert_eq!(found.path(), Path::new(expected));
        };
        check(Some("/named"), &[("HOME", "/home/a")], "/named");
        check(None, &[("HOME", "/h"), ("XDG_DATA_HOME", "/x")], "/x/marque");
        check(None, &[("HOME", "/h"), ("XDG_DATA_HOME", "x")], "/h/.local/share/marque");
        assert!(DataDir::find(None, &Environment::default()).is_err());
    }

    // threat 158
    #[test]
    fn a_directory_that_others_may_enter_is_refused() {
        let outer = tempfile::tempdir().unwrap();
        let data = DataDir(outer.path().join("plane"));
        data.prepare().unwrap();
        let mode = data.path().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(data.path(), open).unwrap();
        let refused = data.prepare().unwrap_err();
        assert!(refused.hint.unwrap().starts_with("run `chmod 700"), "the hint names the remedy");
    }
}
