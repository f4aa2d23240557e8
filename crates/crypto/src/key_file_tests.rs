use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{KeyMaterial, Purpose, create, load, load_or_create};
use crate::{CryptoError, SystemRandom};

const KEK: Purpose = Purpose::KeyEncryption;

/// A directory of mode 0700 and the path of a key file in it.
fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    set_mode(dir.path(), 0o700);
    let path = dir.path().join("kek.key");
    (dir, path)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn bytes(material: &KeyMaterial) -> [u8; 32] {
    *material.expose_for(material.purpose).unwrap()
}

fn refusal(path: &Path) -> String {
    load(path, KEK).err().unwrap().to_string()
}

#[test]
fn a_key_file_is_made_once_with_mode_0600_and_reads_back() {
    let (dir, path) = place();
    let made = load_or_create(&path, KEK, &SystemRandom).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_eq!(bytes(&load(&path, KEK).unwrap()), bytes(&made));
    let again = load_or_create(&path, KEK, &SystemRandom).unwrap();
    assert_eq!(bytes(&again), bytes(&made));
    let names = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(names, 1, "no temporary file may remain");
}

#[test]
fn an_absent_key_file_says_so_and_an_existing_one_is_never_replaced() {
    let (dir, path) = place();
    assert!(matches!(load(&path, KEK).err(), Some(CryptoError::KeyFileAbsent { .. })));
    let made = create(&path, KEK, &SystemRandom).unwrap();
    let second = create(&path, KEK, &SystemRandom).err();
    assert!(matches!(second, Some(CryptoError::KeyFileExists { .. })));
    assert_eq!(bytes(&load(&path, KEK).unwrap()), bytes(&made));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn threat_158_any_mode_but_0600_is_refused_with_the_remedy() {
    let (_dir, path) = place();
    create(&path, KEK, &SystemRandom).unwrap();
    for mode in [0o640, 0o644, 0o604, 0o660, 0o602, 0o700, 0o4600] {
        set_mode(&path, mode);
        let refusal = refusal(&path);
        assert!(refusal.contains(&format!("{mode:04o}")), "{refusal}");
        assert!(refusal.contains(&format!("chmod 600 {}", path.display())), "{refusal}");
    }
    set_mode(&path, 0o600);
    load(&path, KEK).unwrap();
}

#[test]
fn threat_158_a_symbolic_link_is_refused_even_to_a_good_key_file() {
    let (dir, path) = place();
    create(&path, KEK, &SystemRandom).unwrap();
    let link = dir.path().join("link.key");
    symlink(&path, &link).unwrap();
    assert!(refusal(&link).contains("symbolic link"));
    let over = create(&link, KEK, &SystemRandom).err();
    assert!(matches!(over, Some(CryptoError::KeyFileExists { .. })));
    let dangling = dir.path().join("dangling.key");
    symlink(dir.path().join("nowhere"), &dangling).unwrap();
    assert!(load_or_create(&dangling, KEK, &SystemRandom).is_err());
    assert!(!dir.path().join("nowhere").exists());
}

#[test]
fn threat_158_a_hard_link_is_refused_under_both_names() {
    let (dir, path) = place();
    create(&path, KEK, &SystemRandom).unwrap();
    let other = dir.path().join("other.key");
    fs::hard_link(&path, &other).unwrap();
    assert!(refusal(&path).contains("2 hard links"));
    assert!(refusal(&other).contains("2 hard links"));
}

#[test]
fn threat_158_a_directory_others_may_write_to_is_refused() {
    let (dir, path) = place();
    create(&path, KEK, &SystemRandom).unwrap();
    for mode in [0o770, 0o707, 0o1777] {
        set_mode(dir.path(), mode);
        assert!(refusal(&path).contains("chmod go-w"));
        let fresh = dir.path().join("fresh.key");
        assert!(create(&fresh, KEK, &SystemRandom).is_err());
        assert!(!fresh.exists());
    }
    set_mode(dir.path(), 0o755);
    load(&path, KEK).unwrap();
}

#[test]
fn threat_158_a_directory_or_a_named_pipe_is_refused_without_waiting() {
    let (dir, path) = place();
    fs::create_dir(&path).unwrap();
    assert!(refusal(&path).contains("not a regular file"));
    let pipe = dir.path().join("pipe.key");
    let made = std::process::Command::new("mkfifo").arg("-m600").arg(&pipe).status().unwrap();
    assert!(made.success());
    assert!(refusal(&pipe).contains("not a regular file"));
}

#[test]
fn a_file_that_is_no_key_or_one_for_another_purpose_is_named_as_such() {
    let (_dir, path) = place();
    create(&path, Purpose::LogSigning, &SystemRandom).unwrap();
    assert!(refusal(&path).contains("does not hold a key for `key-encryption`"));
    let good = fs::read_to_string(&path).unwrap().replace("log-signing", "key-encryption");
    fs::write(&path, &good).unwrap();
    load(&path, KEK).unwrap();
    let key = good.trim_end();
    let wrong = [
        String::new(),
        "\n".to_owned(),
        key.to_owned(),
        format!("{good}\n"),
        format!("{key} extra\n"),
        good.replace("v1", "v2"),
        good.replace("v1 ", "v1  "),
        good.replace('=', ""),
        "marque-key-v1 key-encryption AAAA\n".to_owned(),
        format!("marque-key-v1 key-encryption {}\n", "A".repeat(10_000)),
        "-----BEGIN PRIVATE KEY-----\n".to_owned(),
    ];
    for text in wrong {
        fs::write(&path, &text).unwrap();
        let refusal = refusal(&path);
        assert!(refusal.contains("is not a key file to use here"), "`{text}`: {refusal}");
    }
}

#[test]
fn an_error_never_shows_the_key() {
    let (_dir, path) = place();
    create(&path, Purpose::LogSigning, &SystemRandom).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let key = text.trim_end().rsplit(' ').next().unwrap();
    let error = load(&path, KEK).err().unwrap();
    assert!(!format!("{error} {error:?}").contains(key));
}
