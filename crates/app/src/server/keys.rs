//! The server's keys: made at the first start, loaded and tried at every other.
//!
//! A plane whose keys are missing or of another plane does not start at all (threat 151); nothing
//! is ever made anew beside a store that exists.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marque_crypto::key_file::{self, KeyMaterial, Purpose};
use marque_crypto::machine::MachineHashKey;
use marque_crypto::seal::{self, Binding, FileKeyManager, KeyManager, Sealed};
use marque_crypto::sign::LogKey;
use marque_crypto::{CryptoError, Secret, SystemRandom};
use marque_plane::{LogKeyFiles, LogSigner};

use crate::exit::{Exit, Failure};
use crate::place::DataDir;

/// What is sealed to try the key with. No secret.
const PROBE: &str = "marque key-encryption key probe";
const PROBE_PLACE: Binding<'static> = Binding { table: "probe", row: "keys/probe", revision: 1 };

/// The keys of one plane.
pub(crate) struct Keys {
    /// Wraps the keys of sealed credentials.
    pub(crate) key_manager: Arc<dyn KeyManager>,
    /// Signs checkpoints.
    pub(crate) log_key: LogSigner,
    /// Hashes machine secrets.
    pub(crate) machine_key: MachineHashKey,
}

impl Keys {
    /// The keys in the data directory. Fails if one is missing.
    pub(crate) fn load(data: &DataDir) -> Result<Self, Failure> {
        Self::open(data, false)
    }

    /// The same, where no store exists that would need older ones: what is missing is made.
    pub(crate) fn make(data: &DataDir) -> Result<Self, Failure> {
        Self::open(data, true)
    }

    fn open(data: &DataDir, is_first: bool) -> Result<Self, Failure> {
        let material = |name: &str, purpose: Purpose| -> Result<KeyMaterial, Failure> {
            let path = data.key(name);
            let opened = if is_first {
                key_file::load_or_create(&path, purpose, &SystemRandom)
            } else {
                key_file::load(&path, purpose)
            };
            opened.map_err(|error| unusable(&error))
        };
        let kek = material("kek", Purpose::KeyEncryption)?;
        let key_manager = FileKeyManager::new(&kek, Arc::new(SystemRandom));
        let key_manager = Arc::new(key_manager.map_err(|error| unusable(&error))?);
        try_key(&*key_manager, &data.key("probe"), is_first)?;
        let log_key = LogKey::from_material(&material("log", Purpose::LogSigning)?);
        let files = LogKeyFiles { private: data.key("log"), public: data.log_verifier() };
        let machine_key =
            MachineHashKey::from_material(&material("machine", Purpose::MachineHash)?);
        Ok(Self {
            key_manager,
            log_key: LogSigner::new(log_key.map_err(|error| unusable(&error))?, files),
            machine_key: machine_key.map_err(|error| unusable(&error))?,
        })
    }
}

/// Opens what the first start sealed, so that a wrong key shows now and not at some call.
fn try_key(manager: &dyn KeyManager, path: &Path, is_first: bool) -> Result<(), Failure> {
    if is_first && !path.exists() {
        let probe = Secret::from_string(PROBE.to_owned());
        let sealed = seal::seal(manager, &SystemRandom, &PROBE_PLACE, &probe);
        let sealed = sealed.map_err(|error| unusable(&error))?.to_bytes();
        let written =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(
                |mut file| {
                    file.write_all(STANDARD.encode(sealed).as_bytes())?;
                    file.sync_all()
                },
            );
        return written.map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot write `{}`: {error}", path.display()))
        });
    }
    let unreadable = || {
        let message =
            format!("`{}` is missing or damaged, so the key cannot be tried", path.display());
        Failure::new(Exit::Failed, message).hint("restore the folder `keys` from a backup")
    };
    let text = std::fs::read_to_string(path).map_err(|_| unreadable())?;
    let bytes = STANDARD.decode(text.trim()).map_err(|_| unreadable())?;
    let sealed = Sealed::from_bytes(&bytes).map_err(|_| unreadable())?;
    #[expect(clippy::disallowed_methods, reason = "what it opens is a probe and no credential")]
    let opened = seal::open(manager, &PROBE_PLACE, &sealed).map_err(|error| unusable(&error))?;
    if opened.matches(PROBE.as_bytes()) { Ok(()) } else { Err(unreadable()) }
}

fn unusable(error: &CryptoError) -> Failure {
    Failure::new(Exit::Failed, error.to_string())
        .hint("a plane cannot be opened without its own keys; restore the folder `keys`")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{DataDir, Keys};
    use crate::environment::Environment;

    fn plane(dir: &Path) -> DataDir {
        let data = DataDir::find(Some(dir), &Environment::default()).unwrap();
        data.prepare().unwrap();
        data
    }

    // threat 151
    #[test]
    fn a_plane_does_not_start_with_the_key_of_another_or_without_its_own() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (one, other) = (plane(&one.path().join("p")), plane(&other.path().join("p")));
        Keys::make(&one).unwrap();
        Keys::make(&other).unwrap();
        Keys::load(&one).unwrap();
        std::fs::copy(other.key("kek"), one.key("kek")).unwrap();
        let told = Keys::load(&one).err().unwrap().message;
        assert!(told.contains("was sealed under key-encryption key"), "{told}");
        std::fs::remove_file(one.key("kek")).unwrap();
        assert!(Keys::load(&one).is_err());
        assert!(!one.key("kek").exists(), "a missing key must not be made anew beside a store");
    }
}
