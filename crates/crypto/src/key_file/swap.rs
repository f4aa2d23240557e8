//! What a rotation does to key files, each step durable when it returns: the two change places,
//! then the old one is destroyed. A crash leaves both keys, or the new one alone.

use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use rustix::fs::{AtFlags, OFlags, RenameFlags};

use super::{MAX_FILE_LEN, Place};
use crate::error::CryptoError;

/// Lets two key files of one directory change places.
pub fn swap(one: &Path, other: &Path) -> Result<(), CryptoError> {
    let (one, other) = (Place::open(one)?, Place::open(other)?);
    for place in [&one, &other] {
        place.open_file(OFlags::RDONLY)?;
    }
    let exchange = RenameFlags::EXCHANGE;
    rustix::fs::renameat_with(&one.dir, one.name, &other.dir, other.name, exchange)
        .and_then(|()| rustix::fs::fsync(&one.dir))
        .and_then(|()| rustix::fs::fsync(&other.dir))
        .map_err(|errno| one.io(errno.into()))
}

/// Overwrites a key file and removes it; content if there is none.
///
/// The disk, its file system or a backup may keep older copies of the bytes all the same.
pub fn destroy(path: &Path) -> Result<(), CryptoError> {
    let place = Place::open(path)?;
    let mut file = match place.open_file(OFlags::RDWR) {
        Err(CryptoError::KeyFileAbsent { .. }) => return Ok(()),
        file => file?,
    };
    let overwritten = file.metadata().and_then(|found| {
        // A key file is short; what is longer is none, and its beginning is enough.
        let len = usize::try_from(found.len()).unwrap_or(MAX_FILE_LEN).min(MAX_FILE_LEN);
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&vec![0; len])?;
        file.sync_all()
    });
    overwritten.map_err(|error| place.io(error))?;
    rustix::fs::unlinkat(&place.dir, place.name, AtFlags::empty())
        .and_then(|()| rustix::fs::fsync(&place.dir))
        .map_err(|errno| place.io(io::Error::from(errno)))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, Permissions};
    use std::io::Read as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::super::{Purpose, create, load};
    use super::{destroy, swap};
    use crate::{CryptoError, SystemRandom};

    fn two() -> (TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
        let (one, other) = (dir.path().join("log"), dir.path().join("log.next"));
        for path in [&one, &other] {
            create(path, Purpose::LogSigning, &SystemRandom).unwrap();
        }
        (dir, one, other)
    }

    // threat 145
    #[test]
    fn two_key_files_change_places_and_neither_is_lost() {
        let (_dir, one, other) = two();
        let before = (fs::read(&one).unwrap(), fs::read(&other).unwrap());
        swap(&one, &other).unwrap();
        assert_eq!((fs::read(&other).unwrap(), fs::read(&one).unwrap()), before);
        load(&one, Purpose::LogSigning).unwrap();
    }

    // threat 145
    #[test]
    fn a_destroyed_key_is_gone_from_its_file_too() {
        let (dir, one, _) = two();
        let mut kept_open = File::open(&one).unwrap();
        destroy(&one).unwrap();
        let mut left = Vec::new();
        kept_open.read_to_end(&mut left).unwrap();
        assert!(!left.is_empty() && left.iter().all(|byte| *byte == 0), "{left:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        destroy(&one).unwrap();
    }

    // threat 158
    #[test]
    fn what_is_no_safe_key_file_is_neither_swapped_nor_destroyed() {
        let (dir, one, other) = two();
        let link = dir.path().join("link");
        symlink(&one, &link).unwrap();
        assert!(matches!(destroy(&link).err(), Some(CryptoError::KeyFileUnsafe { .. })));
        assert!(matches!(swap(&link, &other).err(), Some(CryptoError::KeyFileUnsafe { .. })));
        let absent = dir.path().join("absent");
        assert!(matches!(swap(&one, &absent).err(), Some(CryptoError::KeyFileAbsent { .. })));
        load(&one, Purpose::LogSigning).unwrap();
        load(&other, Purpose::LogSigning).unwrap();
    }
}
