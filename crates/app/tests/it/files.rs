//! Files that others could read, replace or redirect are refused, with what to do about it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::support::{Marque, PASSPHRASE, chmod};

// threat 158
#[test]
fn a_plane_whose_files_others_could_touch_is_not_served() {
    let mut marque = Marque::start();
    assert_eq!(marque.stop(), Some(0));
    let data = marque.data();
    let refused = |what: &str| {
        let told = marque.serves_not();
        assert_ne!(told.code, 0, "{what} was taken: {}", told.whole());
        assert!(told.err.contains("error: "), "{what}: {}", told.whole());
        told.err
    };
    for (file, mode, bad) in [
        ("", 0o700, 0o755),
        ("", 0o700, 0o770),
        ("keys", 0o700, 0o755),
        ("policies", 0o700, 0o777),
        ("marque.db", 0o600, 0o644),
        ("marque.db", 0o600, 0o660),
        ("keys/kek", 0o600, 0o644),
        ("keys/kek", 0o600, 0o640),
        ("keys/log", 0o600, 0o604),
        ("keys/machine", 0o600, 0o644),
    ] {
        let path = data.join(file);
        chmod(&path, bad);
        let told = refused(&format!("`{file}` with mode {bad:o}"));
        assert!(told.contains("hint: ") || told.contains("chmod"), "`{file}`: {told}");
        chmod(&path, mode);
    }
    for file in ["marque.db", "keys/kek", "keys/log", "keys/machine"] {
        let (path, aside) = (data.join(file), marque.path("aside"));
        fs::rename(&path, &aside).unwrap();
        symlink(&aside, &path).unwrap();
        refused(&format!("a symbolic link as `{file}`"));
        fs::remove_file(&path).unwrap();
        fs::rename(&aside, &path).unwrap();
        fs::hard_link(&path, &aside).unwrap();
        refused(&format!("a second name of `{file}`"));
        fs::remove_file(&aside).unwrap();
    }
    marque.serve();
}

// threat 158
#[test]
fn what_the_server_makes_is_its_owners_alone() {
    let mut marque = Marque::start();
    let data = marque.data();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let mut folders = vec![data];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let found = fs::symlink_metadata(&path).unwrap();
            let expected = if found.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode(&path), expected, "{}", path.display());
            assert!(found.is_dir() || found.nlink() == 1, "{}", path.display());
            folders.extend(found.is_dir().then_some(path));
        }
    }
    assert_eq!(marque.stop(), Some(0));
    assert!(!marque.socket().exists(), "a stopped server takes its socket with it");
}

// threat 158
#[test]
fn a_secret_is_taken_only_from_a_private_file() {
    let marque = Marque::start();
    let passphrase = marque.path("passphrase");
    let text = passphrase.to_str().unwrap().to_owned();
    let list = |file: &str| marque.cli(&["agent", "list", "--passphrase-file", file]);
    list(&text).ok();
    for mode in [0o644, 0o640, 0o604, 0o666] {
        chmod(&passphrase, mode);
        list(&text).fails(1, "others may read it").hints("chmod 600");
    }
    chmod(&passphrase, 0o600);
    let link = marque.path("link");
    symlink(&passphrase, &link).unwrap();
    list(link.to_str().unwrap()).fails(1, "cannot take the passphrase");
    list(marque.home().to_str().unwrap()).fails(1, "not a regular file");
    list("/no/such/file").fails(1, "cannot take the passphrase");
    let given = ["agent", "list", "--passphrase-file", "-"];
    marque.cli_given(&given, PASSPHRASE).ok();
    marque.cli_given(&given, "").fails(1, "empty");
    marque.cli_given(&given, "wrong wrong wrong wrong").fails(3, "passphrase");
}
