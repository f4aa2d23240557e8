//! What can go wrong here. No message ever holds a secret, a plaintext or a private key.

use std::io;
use std::path::PathBuf;

use marque_domain::Timestamp;

use crate::key_file::Purpose;
use crate::seal::KekId;

/// Why a cryptographic act was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum CryptoError {
    /// There is no key file at this path.
    #[error("there is no key file `{}`", path.display())]
    KeyFileAbsent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A key file is already there, and is never replaced.
    #[error("key file `{}` already exists and is never overwritten", path.display())]
    KeyFileExists {
        /// Where it lies.
        path: PathBuf,
    },
    /// Somebody else could read or replace the key file.
    #[error("key file `{}` is not safe to use: {problem}; {remedy}", path.display())]
    KeyFileUnsafe {
        /// The file.
        path: PathBuf,
        /// What is wrong with it or its directory.
        problem: String,
        /// What the operator does about it.
        remedy: String,
    },
    /// The file is not a Marque key file, or one for another purpose.
    #[error(
        "`{}` is not a key file to use here: {problem}; name or restore the right one",
        path.display()
    )]
    KeyFileMalformed {
        /// The file.
        path: PathBuf,
        /// What was expected or found.
        problem: String,
    },
    /// The operating system refused.
    #[error("cannot use key file `{}`: {source}", path.display())]
    KeyFileIo {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A key made for one purpose was offered for another.
    #[error("a key for `{found}` cannot serve as a key for `{expected}`")]
    WrongPurpose {
        /// What the act needs.
        expected: Purpose,
        /// What the key is for.
        found: Purpose,
    },
    /// The sealed value needs another key-encryption key.
    #[error(
        "this value was sealed under key-encryption key `{expected}` but `{found}` is loaded; \
         start with the key file that belongs to this store"
    )]
    WrongKek {
        /// The key named in the sealed value.
        expected: KekId,
        /// The key that is loaded.
        found: KekId,
    },
    /// The value was changed, or moved to another place, after it was sealed.
    #[error(
        "the sealed value at `{place}` does not open: it was altered or moved; restore that row"
    )]
    Unsealable {
        /// Table, row and revision it was read from.
        place: String,
    },
    /// These bytes are not a sealed value.
    #[error("not a sealed value: {0}")]
    BadSealed(&'static str),
    /// The plaintext is longer than one sealed value may be.
    #[error("a secret of {len} bytes is too long to seal; the limit is {max}")]
    SecretTooLong {
        /// Length in bytes.
        len: usize,
        /// Most bytes allowed.
        max: usize,
    },
    /// These bytes are not a key of the expected type.
    #[error("not a usable {0}")]
    BadKey(&'static str),
    /// The signature is not this key's over this message.
    #[error("the signature does not verify")]
    BadSignature,
    /// The key ring refuses this change or this stored state.
    #[error("the key ring refuses: {0}")]
    BadKeyRing(&'static str),
    /// The next key is not yet known to every verifier.
    #[error("the next key may sign from {from}, not before; verifiers may not know it yet")]
    KeyNotReady {
        /// The earliest moment it may become the signer.
        from: Timestamp,
    },
    /// The passphrase is too short to protect anything.
    #[error("the passphrase has {chars} characters; use at least {min}")]
    WeakPassphrase {
        /// Characters given.
        chars: usize,
        /// Fewest characters allowed.
        min: usize,
    },
    /// The passphrase cannot be used as it is.
    #[error("not a usable passphrase: {0}")]
    BadPassphrase(&'static str),
    /// A stored passphrase hash, or the cost asked for, is outside what we accept.
    #[error("not a usable passphrase hash: {0}")]
    BadPassphraseHash(&'static str),
    /// No certificate can be made for this host.
    #[error("`{0}` is not a host name or IP address a certificate can be made for")]
    BadHost(String),
    /// An authority's label would not print safely in a certificate.
    #[error("`{0}` is not a label: use 1 to 48 letters, digits, `-` or `_`")]
    BadLabel(String),
    /// The interception authority's own certificate has ended.
    #[error("the interception authority ended at {ended}; its run must be opened anew")]
    AuthorityExpired {
        /// When its certificate ended.
        ended: Timestamp,
    },
    /// The cryptographic library failed at something that cannot fail on good input.
    #[error("the cryptographic library failed at {0}")]
    Library(&'static str),
}
