//! Where the plane's store is: a file in the data directory, or a PostgreSQL database.
//!
//! The URL of a database holds its password, so it comes from a private file or the environment,
//! never from argv, and is never shown: messages name the place alone.

use std::fs::File;
use std::path::{Path, PathBuf};

use marque_store::{DatabaseUrl, OpenOptions, Store, StoreError};

use crate::config::{Config, REPLICA_MAX};
use crate::context::Context;
use crate::environment::Environment;
use crate::exit::{Exit, Failure};
use crate::passphrase::secret_from;
use crate::place::DataDir;
use crate::server::keys::Keys;

/// Holds the URL itself.
pub(crate) const URL_VARIABLE: &str = "MARQUE_DATABASE_URL";
/// Names a private file with the URL.
pub(crate) const FILE_VARIABLE: &str = "MARQUE_DATABASE_URL_FILE";

/// What to do where the keys of a plane in a database are missing.
const OTHER_SERVER: &str = "copy the folder `keys` from another server of this plane, or restore \
                            it from a backup; a plane cannot be opened without its own keys";

/// Where the kernel says what this machine is called (proc_sys_kernel(5)).
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// Where a plane's store is.
pub(crate) enum Database {
    /// SQLite, in the data directory.
    Files(PathBuf),
    /// PostgreSQL.
    Server(Box<DatabaseUrl>),
}

/// A store opened for serving, with the keys of its plane.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) keys: Keys,
    /// To be held as long as the store is: keeps a second server off the data directory.
    pub(crate) lock: Option<File>,
}

impl Database {
    /// What the environment says, else the configuration, else the data directory.
    pub(crate) fn find(context: &Context) -> Result<Self, Failure> {
        Self::of(&context.config()?, &context.environment, &context.data)
    }

    /// The same, where the configuration is known.
    pub(crate) fn of(
        config: &Config,
        environment: &Environment,
        data: &DataDir,
    ) -> Result<Self, Failure> {
        let url = match (environment.os(URL_VARIABLE), environment.os(FILE_VARIABLE)) {
            (Some(_), Some(_)) => {
                let message = format!("both `{URL_VARIABLE}` and `{FILE_VARIABLE}` are set");
                return Err(Failure::new(Exit::Usage, message).hint("unset one of them"));
            }
            (Some(url), None) => url.to_str().map_or_else(
                || Err(StoreError::BadUrl("it is not UTF-8".to_owned())),
                DatabaseUrl::parse,
            ),
            (None, Some(file)) => return Self::in_file(Path::new(file)),
            (None, None) => match &config.database.url_file {
                Some(file) => return Self::in_file(file),
                None => return Ok(Self::Files(data.database())),
            },
        };
        let url = url.map_err(|error| refused(&error).hint(format!("mend `{URL_VARIABLE}`")))?;
        Ok(Self::Server(Box::new(url)))
    }

    /// The database whose URL a private file holds.
    pub(crate) fn in_file(path: &Path) -> Result<Self, Failure> {
        if !path.is_absolute() {
            let message = format!("`{}` is not an absolute path", path.display());
            return Err(Failure::new(Exit::Usage, message)
                .hint("a server may start in another directory: write the whole path"));
        }
        let secret = secret_from(path, "URL of the database")?;
        let url = std::str::from_utf8(secret.expose())
            .map_err(|_| StoreError::BadUrl("it is not UTF-8".to_owned()))
            .and_then(|text| DatabaseUrl::parse(text.trim()));
        let mended = || format!("mend `{}`", path.display());
        Ok(Self::Server(Box::new(url.map_err(|error| refused(&error).hint(mended()))?)))
    }

    /// Whether a database is configured at all; reads no secret.
    pub(crate) fn is_configured(context: &Context) -> Result<bool, Failure> {
        let is_set = |name| context.environment.os(name).is_some();
        Ok(is_set(URL_VARIABLE)
            || is_set(FILE_VARIABLE)
            || context.config()?.database.url_file.is_some())
    }

    /// Where it is, without user and password.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Files(path) => path.display().to_string(),
            Self::Server(url) => url.place(),
        }
    }

    /// Opens it for serving: brings the schema up to date, and is the one server of it.
    pub(crate) fn open(&self, config: &Config, data: &DataDir) -> Result<Opened, Failure> {
        match self {
            Self::Files(path) => {
                must_not_be_elsewhere(path, data)?;
                // ORDER: keys before the store, which makes the file that says they must be there.
                let keys = if path.exists() { Keys::load(data) } else { Keys::make(data) }?;
                let store = Store::open_with(path, options(config))?;
                Ok(Opened { store, keys, lock: None })
            }
            Self::Server(url) => {
                let lock = Some(data.lock()?);
                must_not_be_here(data)?;
                let store = Store::open_postgres(url, options(config))?;
                // threat 151: the plane is in the database, so the database says whether its keys
                // must be there already.
                let is_claimed = size(&store)? > 0;
                let keys = if is_claimed { Keys::load(data) } else { Keys::make(data) };
                let keys = keys.map_err(|failure| failure.hint(OTHER_SERVER))?;
                remember(data, &url.place())?;
                Ok(Opened { store, keys, lock })
            }
        }
    }

    /// Opens it for a while, to bring its schema up to date.
    pub(crate) fn open_alone(&self, config: &Config) -> Result<Store, StoreError> {
        match self {
            Self::Files(path) => Store::open_with(path, options(config)),
            Self::Server(url) => Store::open_postgres(url, options(config)),
        }
    }

    /// Opens it for reading, beside a server or without one.
    pub(crate) fn open_read_only(&self) -> Result<Store, StoreError> {
        match self {
            Self::Files(path) => Store::open_read_only(path),
            Self::Server(url) => Store::open_postgres_read_only(url),
        }
    }
}

/// How a store is opened for writing. The one place that hands `database.replica` on.
pub(crate) fn options(config: &Config) -> OpenOptions {
    OpenOptions { replica: replica(config), ..OpenOptions::default() }
}

/// What this server is called among those of its plane: as configured, else this machine's name.
pub(crate) fn replica(config: &Config) -> String {
    config.database.replica.clone().unwrap_or_else(|| {
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || ".-".contains(letter);
        let name = std::fs::read_to_string(HOST_NAME).unwrap_or_default();
        let name = name.trim().chars().map(|letter| if allowed(letter) { letter } else { '-' });
        let name: String = name.take(REPLICA_MAX).collect();
        if name.is_empty() { "localhost".to_owned() } else { name }
    })
}

#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method by itself is not general over the transaction's lifetime"
)]
fn size(store: &Store) -> Result<u64, Failure> {
    Ok(store.read("database.size", |tx| tx.log_size())?)
}

/// A data directory whose plane is in a database must not quietly begin another one in files,
/// because a variable or a line of the configuration is missing.
fn must_not_be_elsewhere(path: &Path, data: &DataDir) -> Result<(), Failure> {
    if path.exists() {
        return Ok(());
    }
    let Ok(place) = std::fs::read_to_string(data.database_place()) else { return Ok(()) };
    let message = format!(
        "the plane of this data directory is in the database at `{}`, and no database is \
         configured",
        place.trim()
    );
    Err(Failure::new(Exit::Failed, message).hint(format!(
        "name the file with its URL as `database.url_file`; to begin another plane in files, \
         remove `{}`",
        data.database_place().display()
    )))
}

/// The converse: a plane in files that was not moved would be left behind unseen.
fn must_not_be_here(data: &DataDir) -> Result<(), Failure> {
    let path = data.database();
    if !path.exists() {
        return Ok(());
    }
    // Its companions may need mending first, which only a writer can do; but who moved it closed
    // it in order.
    let moved = Store::open_read_only(&path).and_then(|store| store.moved_to())?;
    if moved.is_some() {
        return Ok(());
    }
    let message = format!(
        "a database is configured, and `{}` holds a plane that was not moved there",
        path.display()
    );
    Err(Failure::new(Exit::Failed, message)
        .hint("move it with `marque store move`, or name another data directory with `--data-dir`"))
}

fn remember(data: &DataDir, place: &str) -> Result<(), Failure> {
    let path = data.database_place();
    let text = format!("{place}\n");
    if std::fs::read_to_string(&path).is_ok_and(|kept| kept == text) {
        return Ok(());
    }
    crate::place::write_private(&path, &text).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot write `{}`: {error}", path.display()))
    })
}

fn refused(error: &StoreError) -> Failure {
    Failure::new(Exit::Failed, error.to_string())
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let exit = match error {
            StoreError::Busy(_) | StoreError::Unreachable(_) | StoreError::InDoubt(_) => {
                Exit::Unavailable
            }
            _ => Exit::Failed,
        };
        let hint = match error {
            StoreError::Unreachable(_) => {
                Some("is the database up, and are its name, user and password right?")
            }
            StoreError::InDoubt(_) => Some("do it again: what was recorded stays, and is found"),
            StoreError::Unfinished(_) => Some(
                "drop its schema or database, create it anew, and run `marque store move` again; \
                 the plane in files is as it was",
            ),
            StoreError::Moved(_) => Some(
                "name the file with its URL as `database.url_file`; to give the database up \
                 instead, run `marque store move --take-back`",
            ),
            StoreError::OlderSchema { .. } => {
                Some("`marque store migrate` does the same without serving")
            }
            _ => None,
        };
        let failure = Self::new(exit, error.to_string());
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Config, DataDir, Database, Environment};

    const URL: &str = "postgres://marque:canary@db.example/marque";

    fn find(config: &str, variables: &[(&str, &str)]) -> Result<String, String> {
        let config: Config = toml::from_str(config).unwrap();
        let variables = [&[("HOME", "/home/alice")], variables].concat();
        let environment = variables.into_iter().collect::<Environment>();
        let data = DataDir::find(None, &environment).unwrap();
        let found = Database::of(&config, &environment, &data);
        found
            .map(|found| found.place())
            .map_err(|refused| format!("{} {}", refused.message, refused.hint.unwrap_or_default()))
    }

    #[test]
    fn the_environment_comes_before_the_configuration_and_that_before_the_data_directory() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("url");
        std::fs::write(&file, format!("{URL}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let file = file.to_str().unwrap();
        let in_file = format!("[database]\nurl_file = \"{file}\"");
        let other = "postgres://marque@other.example/marque";
        let place = "db.example:5432/marque";
        assert_eq!(find("", &[]).unwrap(), "/home/alice/.local/share/marque/marque.db");
        assert_eq!(find(&in_file, &[]).unwrap(), place);
        assert_eq!(find("", &[("MARQUE_DATABASE_URL", URL)]).unwrap(), place);
        assert_eq!(find("", &[("MARQUE_DATABASE_URL_FILE", file)]).unwrap(), place);
        let both = find(&in_file, &[("MARQUE_DATABASE_URL", other)]).unwrap();
        assert_eq!(both, "other.example:5432/marque");
        find("", &[("MARQUE_DATABASE_URL", URL), ("MARQUE_DATABASE_URL_FILE", file)]).unwrap_err();
    }

    // threat 158
    #[test]
    fn a_url_that_others_can_read_is_refused_and_no_refusal_shows_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("url");
        std::fs::write(&file, URL).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        let file = file.to_str().unwrap();
        let told = find("", &[("MARQUE_DATABASE_URL_FILE", file)]).unwrap_err();
        assert!(told.contains("others may read it") && told.contains("chmod 600"), "{told}");
        for (name, value) in [
            ("MARQUE_DATABASE_URL", "mysql://marque:canary@db.example/marque"),
            ("MARQUE_DATABASE_URL", "postgres://marque:canary@db.example/marque?sslmode=prefer"),
            ("MARQUE_DATABASE_URL_FILE", "url"),
        ] {
            let told = find("", &[(name, value)]).unwrap_err();
            assert!(!told.contains("canary"), "{told}");
        }
    }
}
