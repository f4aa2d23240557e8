//! Commits and annotated tags: who they say made them, their trailers, their signature.
//!
//! Owns the reading of one object, whole and in memory (gitformat-signature(5), and what
//! `git hash-object` checks). Believes nothing of what it reads; judges nothing.

mod ident;
mod trailer;

use thiserror::Error;

pub use self::ident::Ident;
pub use self::trailer::{AGENT_RUN, ON_BEHALF_OF, Trailer, trailer};

/// Longest object that is read, in bytes.
pub const OBJECT_MAX_BYTES: usize = 1024 * 1024;
/// Most header lines of one object.
const HEADERS_MAX: usize = 4 * 1024;

/// What kind of object it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A commit.
    Commit,
    /// An annotated tag.
    Tag,
}

/// A commit or an annotated tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object<'a> {
    /// Which of the two.
    pub kind: ObjectKind,
    /// Who wrote it; a tag has no author.
    pub author: Option<Ident<'a>>,
    /// Who made it: the committer, or the tagger.
    pub committer: Ident<'a>,
    /// Whether it says that its bytes are in another encoding than UTF-8.
    pub is_encoded: bool,
    /// Its signature, armoured, if it has one.
    pub signature: Option<String>,
    /// What people read.
    pub message: &'a [u8],
    /// The object without its signature: what that is over.
    pub payload: Vec<u8>,
}

/// An object cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadObject {
    /// Beyond [`OBJECT_MAX_BYTES`], or with too many headers.
    #[error("the object is too long to be looked into")]
    TooLong,
    /// It begins like neither.
    #[error("it is neither a commit nor an annotated tag")]
    Other,
    /// A header that is missing, twice there, or not where git puts it.
    #[error("its headers are not those of a commit or a tag that git made")]
    Headers,
    /// Who made it cannot be told.
    #[error("who wrote it or made it cannot be read")]
    Ident,
    /// A NUL: git shows what is before it, and hashes what is after it.
    #[error("it holds a NUL byte")]
    Nul,
}

/// The headers that matter, as they are found.
#[derive(Default)]
struct Headers<'a> {
    author: Option<&'a [u8]>,
    committer: Option<&'a [u8]>,
    is_encoded: bool,
    signature: Option<Vec<u8>>,
}

impl<'a> Object<'a> {
    /// Reads an object as git stores or signs it.
    ///
    /// # Errors
    /// [`BadObject`] where git would refuse it, or would read it otherwise than this does.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BadObject> {
        if bytes.len() > OBJECT_MAX_BYTES {
            return Err(BadObject::TooLong);
        }
        let kind = match bytes {
            _ if bytes.starts_with(b"tree ") => ObjectKind::Commit,
            _ if bytes.starts_with(b"object ") => ObjectKind::Tag,
            _ => return Err(BadObject::Other),
        };
        if bytes.contains(&0) {
            return Err(BadObject::Nul);
        }
        let (mut payload, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
        let headers = read_headers(&mut rest, &mut payload)?;
        let (message, signature) = match kind {
            ObjectKind::Commit => (rest, headers.signature),
            // A tag has its signature behind its message.
            ObjectKind::Tag => split_signature(rest),
        };
        payload.extend_from_slice(message);
        let committer = headers.committer.ok_or(BadObject::Headers)?;
        let committer = Ident::parse(committer).ok_or(BadObject::Ident)?;
        let author = match (kind, headers.author) {
            (ObjectKind::Commit, Some(author)) => {
                Some(Ident::parse(author).ok_or(BadObject::Ident)?)
            }
            (ObjectKind::Tag, None) => None,
            _ => return Err(BadObject::Headers),
        };
        let signature = signature.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let is_encoded = headers.is_encoded;
        Ok(Self { kind, author, committer, is_encoded, signature, message, payload })
    }
}

// Up to the empty line, which is read as well.
fn read_headers<'a>(rest: &mut &'a [u8], payload: &mut Vec<u8>) -> Result<Headers<'a>, BadObject> {
    let mut headers = Headers::default();
    // Of a header whose value goes on: whether it is the signature.
    let mut goes_on = None;
    for _ in 0..HEADERS_MAX {
        let line = next_line(rest).ok_or(BadObject::Headers)?;
        let kept = match (line.strip_prefix(b" "), goes_on) {
            (Some(more), Some(true)) => {
                let signature = headers.signature.get_or_insert_default();
                signature.push(b'\n');
                signature.extend_from_slice(more);
                false
            }
            (Some(_), Some(false)) => true,
            (Some(_), None) => return Err(BadObject::Headers),
            (None, _) if line.is_empty() => {
                payload.push(b'\n');
                return Ok(headers);
            }
            (None, _) => {
                let is_signature = headers.take(line)?;
                goes_on = Some(is_signature);
                !is_signature
            }
        };
        if kept {
            payload.extend_from_slice(line);
            payload.push(b'\n');
        }
    }
    Err(BadObject::TooLong)
}

impl<'a> Headers<'a> {
    /// Takes a header that begins; whether it is the signature.
    fn take(&mut self, line: &'a [u8]) -> Result<bool, BadObject> {
        let space = line.iter().position(|byte| *byte == b' ').ok_or(BadObject::Headers)?;
        let (name, value) = line.split_at_checked(space + 1).ok_or(BadObject::Headers)?;
        let once = |slot: &mut Option<&'a [u8]>| match slot.replace(value) {
            None => Ok(false),
            Some(_) => Err(BadObject::Headers),
        };
        match name {
            b"author " => once(&mut self.author),
            b"committer " | b"tagger " => once(&mut self.committer),
            b"encoding " => {
                self.is_encoded = true;
                Ok(false)
            }
            b"gpgsig " | b"gpgsig-sha256 " => match self.signature.replace(value.to_vec()) {
                None => Ok(true),
                Some(_) => Err(BadObject::Headers),
            },
            _ => Ok(false),
        }
    }
}

fn next_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (line, after) = rest.split_at_checked(end)?;
    *rest = after.get(1..)?;
    Some(line)
}

// git takes the last line that begins a signature for its beginning.
fn split_signature(message: &[u8]) -> (&[u8], Option<Vec<u8>>) {
    let begins = |line: &[u8]| {
        line.starts_with(b"-----BEGIN SSH SIGNATURE-----")
            || line.starts_with(b"-----BEGIN PGP SIGNATURE-----")
            || line.starts_with(b"-----BEGIN PGP MESSAGE-----")
            || line.starts_with(b"-----BEGIN SIGNED MESSAGE-----")
    };
    let (mut at, mut found) = (0, None);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if begins(line) {
            found = Some(at);
        }
        at += line.len();
    }
    match found.and_then(|at| message.split_at_checked(at)) {
        Some((before, signature)) => (before, Some(signature.to_vec())),
        None => (message, None),
    }
}
