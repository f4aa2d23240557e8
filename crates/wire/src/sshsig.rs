//! Signatures as OpenSSH makes them (`PROTOCOL.sshsig`), with Ed25519 keys and SHA-512: what
//! `ssh-keygen -Y` verifies, and git with it.
//!
//! Owns the framing, the armour, and how a public key is written. Holds no key and signs nothing.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use marque_crypto::CryptoError;
use marque_crypto::git_key::GitPublicKey;
use marque_crypto::hash::{sha256, sha512};
use thiserror::Error;

/// The namespace of git's signatures.
pub const GIT: &str = "git";
/// Longest armoured signature that is read, in bytes. One of an Ed25519 key has under 400.
pub const MAX_BYTES: usize = 4 * 1024;

const MAGIC: &[u8; 6] = b"SSHSIG";
const VERSION: u32 = 1;
const KEY_TYPE: &str = "ssh-ed25519";
const HASH: &str = "sha512";
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
/// What OpenSSH breaks its lines at.
const WIDTH: usize = 70;

/// A signature that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshSignature {
    /// The 32 bytes of the key that claims to have made it.
    pub key: [u8; 32],
    /// What it is for.
    pub namespace: String,
    signature: [u8; 64],
}

/// A signature is not one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an SSH signature of an Ed25519 key with SHA-512")]
pub struct BadSshSignature;

/// What a key signs for a message.
pub fn to_be_signed(namespace: &str, message: &[u8]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    put(&mut out, namespace.as_bytes());
    put(&mut out, b"");
    put(&mut out, HASH.as_bytes());
    put(&mut out, &sha512(message));
    out
}

/// A signature over [`to_be_signed`], as `ssh-keygen -Y sign` prints it.
pub fn armor(key: &[u8; 32], namespace: &str, signature: &[u8; 64]) -> String {
    let mut out = MAGIC.to_vec();
    out.extend(VERSION.to_be_bytes());
    put(&mut out, &key_blob(key));
    put(&mut out, namespace.as_bytes());
    put(&mut out, b"");
    put(&mut out, HASH.as_bytes());
    let mut signed = Vec::with_capacity(96);
    put(&mut signed, KEY_TYPE.as_bytes());
    put(&mut signed, signature);
    put(&mut out, &signed);
    let mut text = String::from(BEGIN);
    for (at, letter) in STANDARD.encode(out).chars().enumerate() {
        if at % WIDTH == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push('\n');
    text.push_str(END);
    text.push('\n');
    text
}

/// The public key as OpenSSH writes it, without a comment: `ssh-ed25519 AAAA…`.
pub fn public_line(key: &[u8; 32]) -> String {
    format!("{KEY_TYPE} {}", STANDARD.encode(key_blob(key)))
}

/// What [`public_line`] wrote.
///
/// # Errors
/// [`BadSshSignature`] for any other text.
pub fn read_public_line(line: &str) -> Result<[u8; 32], BadSshSignature> {
    let (kind, encoded) = line.split_once(' ').ok_or(BadSshSignature)?;
    let blob = STANDARD.decode(encoded).map_err(|_| BadSshSignature)?;
    if kind == KEY_TYPE { read_key(&blob) } else { Err(BadSshSignature) }
}

/// How `ssh-keygen -l` names a public key: `SHA256:…`.
pub fn fingerprint(key: &[u8; 32]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(sha256(&key_blob(key)).as_bytes()))
}

impl SshSignature {
    /// Reads an armoured signature.
    ///
    /// # Errors
    /// [`BadSshSignature`] for all but version 1, Ed25519 and SHA-512, and for bytes left over.
    pub fn parse(text: &str) -> Result<Self, BadSshSignature> {
        let inner = text.trim_ascii().strip_prefix(BEGIN).and_then(|text| text.strip_suffix(END));
        let inner = inner.filter(|_| text.len() <= MAX_BYTES).ok_or(BadSshSignature)?;
        let encoded: String = inner.split_ascii_whitespace().collect();
        let blob = STANDARD.decode(encoded).map_err(|_| BadSshSignature)?;
        let rest = &mut blob.strip_prefix(MAGIC).ok_or(BadSshSignature)?;
        if take(rest, 4)? != VERSION.to_be_bytes() {
            return Err(BadSshSignature);
        }
        let key = read_key(text_of(rest)?)?;
        let namespace = String::from_utf8(text_of(rest)?.to_vec()).map_err(|_| BadSshSignature)?;
        let (_reserved, hash, mut signed) = (text_of(rest)?, text_of(rest)?, text_of(rest)?);
        let (kind, signature) = (text_of(&mut signed)?, text_of(&mut signed)?);
        let is_ours = hash == HASH.as_bytes() && kind == KEY_TYPE.as_bytes();
        if !is_ours || !rest.is_empty() || !signed.is_empty() {
            return Err(BadSshSignature);
        }
        let signature = signature.try_into().map_err(|_| BadSshSignature)?;
        Ok(Self { key, namespace, signature })
    }

    /// Fails unless `key` made it, for git, over `message`.
    ///
    /// # Errors
    /// [`CryptoError::BadSignature`] for another key, namespace or message.
    pub fn verify_for_git(&self, key: &GitPublicKey, message: &[u8]) -> Result<(), CryptoError> {
        if self.key != *key.as_bytes() || self.namespace != GIT {
            return Err(CryptoError::BadSignature);
        }
        key.verify(&to_be_signed(GIT, message), &self.signature)
    }
}

fn key_blob(key: &[u8; 32]) -> Vec<u8> {
    let mut blob = Vec::with_capacity(51);
    put(&mut blob, KEY_TYPE.as_bytes());
    put(&mut blob, key);
    blob
}

fn read_key(mut blob: &[u8]) -> Result<[u8; 32], BadSshSignature> {
    let (kind, key) = (text_of(&mut blob)?, text_of(&mut blob)?);
    if kind != KEY_TYPE.as_bytes() || !blob.is_empty() {
        return Err(BadSshSignature);
    }
    key.try_into().map_err(|_| BadSshSignature)
}

// RFC 4251 §5, `string`: the length in 4 bytes, then so many.
fn put(out: &mut Vec<u8>, text: &[u8]) {
    let length = u32::try_from(text.len()).expect("INVARIANT: what is framed here is short");
    out.extend(length.to_be_bytes());
    out.extend(text);
}

fn text_of<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], BadSshSignature> {
    let length = take(rest, 4)?.try_into().map(u32::from_be_bytes).map_err(|_| BadSshSignature)?;
    take(rest, usize::try_from(length).map_err(|_| BadSshSignature)?)
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], BadSshSignature> {
    let (taken, left) = rest.split_at_checked(count).ok_or(BadSshSignature)?;
    *rest = left;
    Ok(taken)
}

#[cfg(test)]
mod tests;
