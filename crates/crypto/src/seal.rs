//! Envelope encryption: each secret under a data key of its own, each data key under one KEK.
//!
//! AES-256-GCM-SIV (RFC 8452) throughout, with a fresh data key per seal: a nonce that repeats, as
//! after a restored backup or a cloned machine, reveals nothing but equality. The place a value is
//! stored is bound into it, so a value moved to another row does not open.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::error::CryptoError;
use crate::key_file::{KeyMaterial, Purpose};
use crate::random::{self, Random};
use crate::secret::Secret;

/// Longest secret that can be sealed, in bytes.
pub const MAX_SECRET_LEN: usize = 64 * 1024;
/// Longest wrapped data key any key manager may return, in bytes.
pub const MAX_WRAPPED_LEN: usize = 1024;

const VERSION: u8 = 1;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;

/// The public name of a key-encryption key. Prints as `kek_` and 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KekId([u8; 16]);

impl KekId {
    /// The id made of these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for KekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("kek_")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Keeps a key-encryption key and wraps data keys with it; the key itself never leaves.
pub trait KeyManager: Send + Sync {
    /// Which key this is. Equal ids mean the same key.
    fn id(&self) -> KekId;

    /// Encrypts a data key so that it opens only together with the same `binding`.
    /// The result is at most [`MAX_WRAPPED_LEN`] bytes.
    fn wrap(&self, data_key: &[u8; 32], binding: &[u8]) -> Result<Vec<u8>, CryptoError>;

    /// The data key again, or `None` if key, `wrapped` or `binding` differ in any bit.
    /// An error means the key itself could not be used.
    fn unwrap(
        &self,
        wrapped: &[u8],
        binding: &[u8],
    ) -> Result<Option<Zeroizing<[u8; 32]>>, CryptoError>;
}

/// A [`KeyManager`] whose key comes from a key file.
pub struct FileKeyManager {
    id: KekId,
    key: LessSafeKey,
    random: Arc<dyn Random>,
}

impl FileKeyManager {
    /// Uses `material`, which must be for [`Purpose::KeyEncryption`]; `random` gives the nonces.
    pub fn new(material: &KeyMaterial, random: Arc<dyn Random>) -> Result<Self, CryptoError> {
        let bytes = material.expose_for(Purpose::KeyEncryption)?;
        // A keyed hash names the key without giving a way back to it.
        let named = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let tag = hmac::sign(&named, b"marque key-encryption key id v1");
        let id = tag.as_ref().first_chunk::<16>().map(|id| KekId(*id));
        let id = id.expect("invariant: an HMAC-SHA-256 tag is 32 bytes");
        Ok(Self { id, key: aead_key(bytes)?, random })
    }
}

impl KeyManager for FileKeyManager {
    fn id(&self) -> KekId {
        self.id
    }

    fn wrap(&self, data_key: &[u8; 32], binding: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let nonce = random::bytes::<NONCE_LEN>(self.random.as_ref());
        let ciphertext = encrypt(&self.key, nonce, binding, data_key)?;
        Ok([nonce.as_slice(), &ciphertext].concat())
    }

    fn unwrap(
        &self,
        wrapped: &[u8],
        binding: &[u8],
    ) -> Result<Option<Zeroizing<[u8; 32]>>, CryptoError> {
        let Some((nonce, ciphertext)) = wrapped.split_first_chunk::<NONCE_LEN>() else {
            return Ok(None);
        };
        let opened = decrypt(&self.key, *nonce, binding, ciphertext);
        let data_key = opened.as_deref().and_then(|key| <&[u8; 32]>::try_from(key.as_slice()).ok());
        Ok(data_key.map(|key| Zeroizing::new(*key)))
    }
}

/// Where a sealed value is stored. A value opens only with the binding it was sealed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding<'a> {
    /// The table, such as `credential`.
    pub table: &'a str,
    /// The row's id.
    pub row: &'a str,
    /// The revision of the row.
    pub revision: u64,
}

impl Binding<'_> {
    /// Unambiguous bytes: each text behind its length (8 bytes, big endian), then the revision.
    fn to_bytes(self) -> Vec<u8> {
        let length = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes();
        [
            length(self.table).as_slice(),
            self.table.as_bytes(),
            length(self.row).as_slice(),
            self.row.as_bytes(),
            self.revision.to_be_bytes().as_slice(),
        ]
        .concat()
    }
}

impl fmt::Display for Binding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.table, self.row, self.revision)
    }
}

/// Encrypts `secret` for the place `binding` names, under a data key nobody else has.
pub fn seal(
    manager: &dyn KeyManager,
    random: &dyn Random,
    binding: &Binding<'_>,
    secret: &Secret,
) -> Result<Sealed, CryptoError> {
    if secret.len() > MAX_SECRET_LEN {
        return Err(CryptoError::SecretTooLong { len: secret.len(), max: MAX_SECRET_LEN });
    }
    let place = binding.to_bytes();
    let data_key = Zeroizing::new(random::bytes::<32>(random));
    let wrapped = manager.wrap(&data_key, &place)?;
    if wrapped.len() > MAX_WRAPPED_LEN {
        return Err(CryptoError::Library("wrapping a data key within its bound"));
    }
    let nonce = random::bytes::<NONCE_LEN>(random);
    let mut sealed = Sealed { kek: manager.id(), wrapped, nonce, ciphertext: Vec::new() };
    let context = sealed.context(&place);
    sealed.ciphertext = encrypt(&aead_key(&data_key)?, nonce, &context, secret.expose())?;
    Ok(sealed)
}

/// Decrypts `sealed`, read from the place `binding` names.
///
/// Unseals a credential: only `plane::broker` may call this, and the build refuses other callers.
/// Fails with [`CryptoError::WrongKek`] when another key is loaded and with
/// [`CryptoError::Unsealable`] when the value was altered or moved.
pub fn open(
    manager: &dyn KeyManager,
    binding: &Binding<'_>,
    sealed: &Sealed,
) -> Result<Secret, CryptoError> {
    if sealed.kek != manager.id() {
        return Err(CryptoError::WrongKek { expected: sealed.kek, found: manager.id() });
    }
    let place = binding.to_bytes();
    let unsealable = || CryptoError::Unsealable { place: binding.to_string() };
    let data_key = manager.unwrap(&sealed.wrapped, &place)?.ok_or_else(unsealable)?;
    let context = sealed.context(&place);
    decrypt(&aead_key(&data_key)?, sealed.nonce, &context, &sealed.ciphertext)
        .map(|mut plain| Secret::from_vec(std::mem::take(&mut *plain)))
        .ok_or_else(unsealable)
}

/// A secret as it lies in the store.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    kek: KekId,
    wrapped: Vec<u8>,
    nonce: [u8; NONCE_LEN],
    ciphertext: Vec<u8>,
}

impl Sealed {
    /// The key-encryption key it needs.
    pub fn kek_id(&self) -> KekId {
        self.kek
    }

    /// Version 1: `1`, KEK id (16 bytes), length of the wrapped data key (2, big endian), the
    /// wrapped data key, nonce (12), and the ciphertext with its tag to the end.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.header().as_slice(), &self.nonce, &self.ciphertext].concat()
    }

    /// Reads what [`Sealed::to_bytes`] wrote, and nothing else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CryptoError> {
        let short = CryptoError::BadSealed("it ends too early");
        let Some((&[version], rest)) = bytes.split_first_chunk() else { return Err(short) };
        if version != VERSION {
            return Err(CryptoError::BadSealed("its version is not known to this release"));
        }
        let Some((kek, rest)) = rest.split_first_chunk() else { return Err(short) };
        let Some((length, rest)) = rest.split_first_chunk() else { return Err(short) };
        let length = usize::from(u16::from_be_bytes(*length));
        if length > MAX_WRAPPED_LEN {
            return Err(CryptoError::BadSealed("its wrapped key is too long"));
        }
        let Some((wrapped, rest)) = rest.split_at_checked(length) else { return Err(short) };
        let Some((nonce, ciphertext)) = rest.split_first_chunk() else { return Err(short) };
        if ciphertext.len() < TAG_LEN {
            return Err(short);
        }
        if ciphertext.len() > MAX_SECRET_LEN + TAG_LEN {
            return Err(CryptoError::BadSealed("it is too long"));
        }
        Ok(Self {
            kek: KekId(*kek),
            wrapped: wrapped.to_vec(),
            nonce: *nonce,
            ciphertext: ciphertext.to_vec(),
        })
    }

    fn header(&self) -> Vec<u8> {
        let length = u16::try_from(self.wrapped.len());
        let length = length.expect("invariant: `seal` and `from_bytes` bound the wrapped key");
        [&[VERSION], self.kek.0.as_slice(), &length.to_be_bytes(), &self.wrapped].concat()
    }

    /// What the ciphertext vouches for besides itself: the whole header, and its place.
    fn context(&self, place: &[u8]) -> Vec<u8> {
        [self.header().as_slice(), place].concat()
    }
}

fn aead_key(bytes: &[u8; 32]) -> Result<LessSafeKey, CryptoError> {
    let key = UnboundKey::new(&AES_256_GCM_SIV, bytes);
    key.map(LessSafeKey::new).map_err(|_| CryptoError::Library("setting up AES-256-GCM-SIV"))
}

fn encrypt(
    key: &LessSafeKey,
    nonce: [u8; NONCE_LEN],
    context: &[u8],
    plain: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    // Room for the tag from the start: growing would leave a copy of the plaintext behind.
    let mut buffer = Vec::with_capacity(plain.len() + TAG_LEN);
    buffer.extend_from_slice(plain);
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, Aad::from(context), &mut buffer)
        .map_err(|_| CryptoError::Library("AES-256-GCM-SIV encryption"))?;
    Ok(buffer)
}

/// The plaintext, or nothing if a single bit of key, nonce, context or ciphertext differs.
fn decrypt(
    key: &LessSafeKey,
    nonce: [u8; NONCE_LEN],
    context: &[u8],
    ciphertext: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let nonce = Nonce::assume_unique_for_key(nonce);
    let plain_len = key.open_in_place(nonce, Aad::from(context), &mut buffer).ok()?.len();
    buffer.truncate(plain_len);
    Some(buffer)
}

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;
