//! The certificates a run's tools trust: the system's, and the run's own authority.
//!
//! One PEM file in a private directory that goes away with the run. Most tools replace their trust
//! store by such a file, so it must hold both.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use marque_crypto::Secret;
use marque_plane::view::OpenedRunView;
use tempfile::TempDir;

use crate::environment::Environment;
use crate::exit::{Exit, Failure};
use crate::place::DataDir;

/// Where distributions keep their bundle; the first that is there counts.
pub(crate) const SYSTEM: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The private key of a run that has one, in its directory.
pub(crate) const TOKEN_KEY: &str = "token.key";

/// A bundle on disk. Dropping it removes the directory.
pub(crate) struct Bundle {
    dir: TempDir,
    has_system: bool,
}

impl Bundle {
    /// Writes the bundle.
    pub(crate) fn write(environment: &Environment, ca_pem: &str) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(Exit::Failed, format!("cannot write the run's certificates: {error}"))
        };
        // mkdtemp: 0700 and a name nobody can guess.
        let dir = tempfile::Builder::new().prefix("marque-run-").tempdir().map_err(failed)?;
        let (bundle, has_system) = merged(environment, ca_pem);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(dir.path().join("ca.pem"))
            .map_err(failed)?;
        file.write_all(bundle.as_bytes()).map_err(failed)?;
        Ok(Self { dir, has_system })
    }

    /// The PEM file.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// The private directory it lies in, for what else is the run's own.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Lays the run's own private key beside it, for the run alone: where.
    pub(crate) fn lay_token_key(&self, pem: &Secret) -> Result<PathBuf, Failure> {
        let path = self.dir.path().join(TOKEN_KEY);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(pem.expose()));
        written.map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot write the run's key: {error}"))
        })?;
        Ok(path)
    }

    /// Whether the system's authorities are in it.
    pub(crate) fn has_system(&self) -> bool {
        self.has_system
    }
}

/// The authorities that are the run's own: that of its interception, and the one behind the token
/// service where the server made that itself.
pub(crate) fn own(data: &DataDir, opened: &OpenedRunView) -> String {
    let issuer = opened.issuer.as_ref();
    let issuer = issuer.and_then(|_| std::fs::read_to_string(data.issuer_authority()).ok());
    [opened.ca_pem.as_str(), issuer.as_deref().unwrap_or_default()].join("\n")
}

/// The run's authority and the system's in one text, and whether the system's are in it.
pub(crate) fn merged(environment: &Environment, ca_pem: &str) -> (String, bool) {
    let system = system_pem(environment);
    ([ca_pem, system.as_deref().unwrap_or_default()].join("\n"), system.is_some())
}

fn system_pem(environment: &Environment) -> Option<String> {
    let named = environment.path("SSL_CERT_FILE");
    let mut places =
        named.into_iter().chain(SYSTEM.iter().map(|place| Path::new(place).to_owned()));
    places.find_map(|place| std::fs::read_to_string(place).ok())
}
