use std::fs;
use std::process::{Command, Stdio};

use marque_crypto::SystemRandom;
use marque_crypto::git_key::GitKey;
use proptest::prelude::{any, proptest};

use super::{GIT, SshSignature, armor, fingerprint, public_line, read_public_line, to_be_signed};

fn signed(key: &GitKey, message: &[u8]) -> String {
    armor(key.public().as_bytes(), GIT, &key.sign(&to_be_signed(GIT, message)))
}

fn ssh_keygen(arguments: &[&str], stdin: &[u8]) -> (bool, String) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("message"), stdin).unwrap();
    let message = fs::File::open(dir.path().join("message")).unwrap();
    let mut command = Command::new("ssh-keygen");
    let ran = command.args(arguments).stdin(Stdio::from(message)).output().unwrap();
    (ran.status.success(), String::from_utf8_lossy(&ran.stdout).into_owned())
}

#[test]
fn ssh_keygen_verifies_what_we_frame_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let key = GitKey::generate(&SystemRandom).unwrap();
    let allowed = dir.path().join("allowed");
    let line = public_line(key.public().as_bytes());
    fs::write(&allowed, format!("*@agents.example namespaces=\"git\" {line}\n")).unwrap();
    let signature = dir.path().join("sig");
    fs::write(&signature, signed(&key, b"a commit\n")).unwrap();
    let (allowed, signature) = (allowed.to_str().unwrap(), signature.to_str().unwrap());
    let verify = |namespace: &str, message: &[u8]| {
        let of = ["-Y", "verify", "-f", allowed, "-I", "triage@agents.example", "-n", namespace];
        ssh_keygen(&[&of[..], &["-s", signature]].concat(), message).0
    };
    assert!(verify("git", b"a commit\n"));
    assert!(!verify("git", b"another\n"));
    assert!(!verify("file", b"a commit\n"));
}

#[test]
fn ssh_keygen_names_the_key_as_we_do() {
    let dir = tempfile::tempdir().unwrap();
    let key = GitKey::generate(&SystemRandom).unwrap();
    let file = dir.path().join("key.pub");
    fs::write(&file, public_line(key.public().as_bytes())).unwrap();
    let (_, told) = ssh_keygen(&["-l", "-f", file.to_str().unwrap()], b"");
    let expected = fingerprint(key.public().as_bytes());
    assert!(told.contains(&expected), "`{told}` has no {expected}");
}

#[test]
fn what_ssh_keygen_signs_is_read_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let file = file.to_str().unwrap();
    assert!(ssh_keygen(&["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file], b"").0);
    let (ok, printed) = ssh_keygen(&["-q", "-Y", "sign", "-n", "git", "-f", file], b"x");
    assert!(ok, "{printed}");
    let read = SshSignature::parse(&printed).unwrap();
    let line = fs::read_to_string(format!("{file}.pub")).unwrap();
    assert_eq!(read_public_line(line.trim()).unwrap(), read.key);
    let key = marque_crypto::git_key::GitPublicKey::from_bytes(&read.key).unwrap();
    read.verify_for_git(&key, b"x").unwrap();
    assert!(read.verify_for_git(&key, b"y").is_err());
}

#[test]
fn a_signature_for_something_else_is_none_for_git() {
    let key = GitKey::generate(&SystemRandom).unwrap();
    let for_files = key.sign(&to_be_signed("file", b"x"));
    let text = armor(key.public().as_bytes(), "file", &for_files);
    let read = SshSignature::parse(&text).unwrap();
    assert!(read.verify_for_git(key.public(), b"x").is_err());
    let other = GitKey::generate(&SystemRandom).unwrap();
    let read = SshSignature::parse(&signed(&key, b"x")).unwrap();
    assert!(read.verify_for_git(other.public(), b"x").is_err());
}

proptest! {
    #[test]
    fn what_is_armoured_reads_back(key in any::<[u8; 32]>(), message in any::<Vec<u8>>()) {
        let signature = [7; 64];
        let read = SshSignature::parse(&armor(&key, GIT, &signature)).unwrap();
        assert_eq!((read.key, read.namespace.as_str(), read.signature), (key, GIT, signature));
        assert_eq!(read_public_line(&public_line(&key)).unwrap(), key);
        assert_eq!(to_be_signed(GIT, &message).len(), 6 + 4 + 3 + 4 + 4 + 6 + 4 + 64);
    }

    #[test]
    fn a_signature_that_was_cut_is_none(cut in 0_usize..290) {
        let whole = armor(&[1; 32], GIT, &[2; 64]);
        assert!(SshSignature::parse(&whole[..cut]).is_err());
    }

    #[test]
    fn no_text_breaks_the_reader(text in any::<String>()) {
        assert!(SshSignature::parse(&text).is_err());
        assert!(read_public_line(&text).is_err());
    }
}
