//! Key files: 32 secret bytes for one purpose, readable by one user.
//!
//! Every check is made on the open file and the open directory, never on a path, so there is no
//! moment between check and use. Existing files are never repaired, and never replaced but by
//! [`swap`], which keeps both.

mod swap;

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use zeroize::Zeroizing;

pub use swap::{destroy, swap};

use crate::error::CryptoError;
use crate::random::{self, Random};

/// Longest key file we read, in bytes. A good one has fewer than 100.
const MAX_FILE_LEN: usize = 256;

/// What a key is for. A key of one purpose is refused for any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Wraps the data keys of sealed values.
    KeyEncryption,
    /// Signs the log's checkpoints (an Ed25519 seed).
    LogSigning,
    /// Hashes machine secrets.
    MachineHash,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyEncryption => "key-encryption",
            Self::LogSigning => "log-signing",
            Self::MachineHash => "machine-hash",
        })
    }
}

/// 32 secret bytes that know their purpose. Only this crate ever sees them.
pub struct KeyMaterial {
    purpose: Purpose,
    key: Zeroizing<[u8; 32]>,
}

impl KeyMaterial {
    /// Fresh material that is in no file yet.
    pub fn generate(purpose: Purpose, random: &dyn Random) -> Self {
        Self { purpose, key: Zeroizing::new(random::bytes(random)) }
    }

    /// The bytes, for the one act they were made for.
    pub(crate) fn expose_for(&self, expected: Purpose) -> Result<&[u8; 32], CryptoError> {
        if self.purpose == expected {
            Ok(&self.key)
        } else {
            Err(CryptoError::WrongPurpose { expected, found: self.purpose })
        }
    }
}

/// Reads the key file at `path`.
///
/// Refuses a file that is not regular, not ours, not of mode 0600, a symbolic link or one of
/// several hard links, and a directory that others may write to.
pub fn load(path: &Path, purpose: Purpose) -> Result<KeyMaterial, CryptoError> {
    let place = Place::open(path)?;
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE_LEN + 1));
    let limit = u64::try_from(MAX_FILE_LEN).unwrap_or(u64::MAX).saturating_add(1);
    let read = place.open_file(OFlags::RDONLY)?.take(limit).read_to_end(&mut text);
    read.map_err(|error| place.io(error))?;
    match parse(&text, purpose) {
        Ok(key) => Ok(KeyMaterial { purpose, key }),
        Err(problem) => Err(CryptoError::KeyFileMalformed { path: path.to_owned(), problem }),
    }
}

/// Makes a new key file at `path` with fresh material, durable when this returns.
///
/// Fails with [`CryptoError::KeyFileExists`] if anything is there already.
pub fn create(
    path: &Path,
    purpose: Purpose,
    random: &dyn Random,
) -> Result<KeyMaterial, CryptoError> {
    let place = Place::open(path)?;
    let material = KeyMaterial::generate(purpose, random);
    let suffix = u64::from_be_bytes(random::bytes(random));
    place.publish(&print(&material), &format!(".marque-key-{suffix:016x}.new"))?;
    Ok(material)
}

/// Reads the key file at `path`, or makes it if there is none.
pub fn load_or_create(
    path: &Path,
    purpose: Purpose,
    random: &dyn Random,
) -> Result<KeyMaterial, CryptoError> {
    match load(path, purpose) {
        Err(CryptoError::KeyFileAbsent { .. }) => {}
        answer => return answer,
    }
    match create(path, purpose, random) {
        // Another process made it between our two steps: its key is the key.
        Err(CryptoError::KeyFileExists { .. }) => load(path, purpose),
        answer => answer,
    }
}

const MAGIC: &str = "marque-key-v1";

fn print(material: &KeyMaterial) -> Zeroizing<String> {
    let key = Zeroizing::new(STANDARD.encode(material.key.as_slice()));
    // Room from the start: growing would leave a copy of the key behind.
    let mut line = Zeroizing::new(String::with_capacity(MAX_FILE_LEN));
    line.extend([MAGIC, " ", &material.purpose.to_string(), " ", &key, "\n"]);
    line
}

/// Reads one line of `marque-key-v1 <purpose> <base64 of 32 bytes>`. The problem holds no key.
fn parse(text: &[u8], purpose: Purpose) -> Result<Zeroizing<[u8; 32]>, String> {
    let line = std::str::from_utf8(text).ok().and_then(|text| text.strip_suffix('\n'));
    let mut words = line.unwrap_or_default().split(' ');
    if words.next() != Some(MAGIC) {
        return Err(format!("expected one line that starts with `{MAGIC}`"));
    }
    if words.next() != Some(purpose.to_string().as_str()) {
        return Err(format!("it does not hold a key for `{purpose}`"));
    }
    let (Some(encoded), None) = (words.next(), words.next()) else {
        return Err("expected three words on its line".to_owned());
    };
    let mut key = Zeroizing::new([0; 32]);
    match STANDARD.decode_slice(encoded, key.as_mut_slice()) {
        Ok(32) => Ok(key),
        _ => Err("its key is not 32 bytes in base64".to_owned()),
    }
}

/// A checked directory, held open, and the name of the key file in it.
struct Place<'a> {
    path: &'a Path,
    name: &'a OsStr,
    dir: OwnedFd,
}

impl<'a> Place<'a> {
    fn open(path: &'a Path) -> Result<Self, CryptoError> {
        let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else {
            return Err(refused(path, "it names no file", "give the path of a file"));
        };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(parent, flags, Mode::empty()).map_err(|errno| {
            CryptoError::KeyFileIo { path: parent.to_owned(), source: errno.into() }
        })?;
        let place = Self { path, name, dir };
        let stat = rustix::fs::fstat(&place.dir).map_err(|errno| place.io(errno.into()))?;
        let shown = parent.display();
        if stat.st_uid != rustix::process::geteuid().as_raw() && stat.st_uid != 0 {
            let problem = format!("its directory belongs to user {}", stat.st_uid);
            return Err(refused(path, &problem, "keep keys in a directory of your own"));
        }
        if Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
            let remedy = format!("run `chmod go-w {shown}`");
            return Err(refused(path, "others may write to its directory", &remedy));
        }
        Ok(place)
    }

    fn open_file(&self, access: OFlags) -> Result<File, CryptoError> {
        // NONBLOCK: a named pipe must be refused, not waited for.
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.dir, self.name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => {
                return Err(CryptoError::KeyFileAbsent { path: self.path.to_owned() });
            }
            Err(Errno::LOOP) => {
                return Err(self.refused("it is a symbolic link", "name the file itself"));
            }
            Err(errno) => return Err(self.io(errno.into())),
        };
        let stat = rustix::fs::fstat(&file).map_err(|errno| self.io(errno.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(self.refused("it is not a regular file", "name a regular file"));
        }
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            let remedy = "run as that user, or `chown` the file";
            return Err(self.refused(&format!("it belongs to user {}", stat.st_uid), remedy));
        }
        let mode = Mode::from_raw_mode(stat.st_mode);
        if mode != Mode::RUSR | Mode::WUSR {
            let problem = format!("its mode is {:04o}, not 0600", mode.as_raw_mode());
            let remedy = format!("run `chmod 600 {}`", self.path.display());
            return Err(self.refused(&problem, &remedy));
        }
        if stat.st_nlink != 1 {
            let remedy = "remove the others (`find / -xdev -samefile` lists them)";
            return Err(self.refused(&format!("it has {} hard links", stat.st_nlink), remedy));
        }
        Ok(File::from(file))
    }

    /// Writes `text` under `temporary`, then gives it its name. A crash leaves either no key file
    /// or a whole one; a remainder under the temporary name has never been anybody's key.
    fn publish(&self, text: &str, temporary: &str) -> Result<(), CryptoError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::openat(&self.dir, temporary, flags, mode)
            .map_err(|errno| self.io(errno.into()))?;
        let named = write_durably(file, text).and_then(|()| {
            let noreplace = RenameFlags::NOREPLACE;
            rustix::fs::renameat_with(&self.dir, temporary, &self.dir, self.name, noreplace)
                .map_err(io::Error::from)
        });
        if let Err(error) = named {
            // Best effort: the remainder is a key nobody uses.
            let _ = rustix::fs::unlinkat(&self.dir, temporary, AtFlags::empty());
            return Err(match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    CryptoError::KeyFileExists { path: self.path.to_owned() }
                }
                _ => self.io(error),
            });
        }
        rustix::fs::fsync(&self.dir).map_err(|errno| self.io(errno.into()))
    }

    fn refused(&self, problem: &str, remedy: &str) -> CryptoError {
        refused(self.path, problem, remedy)
    }

    fn io(&self, source: io::Error) -> CryptoError {
        CryptoError::KeyFileIo { path: self.path.to_owned(), source }
    }
}

fn write_durably(file: OwnedFd, text: &str) -> io::Result<()> {
    // The umask may have taken bits away at creation.
    rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR)?;
    let mut file = File::from(file);
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn refused(path: &Path, problem: &str, remedy: &str) -> CryptoError {
    CryptoError::KeyFileUnsafe {
        path: path.to_owned(),
        problem: problem.to_owned(),
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
#[path = "key_file_tests.rs"]
mod tests;
