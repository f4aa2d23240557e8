//! Batches of large files (the git-lfs batch API): which way they go, and answers without secrets.
//!
//! Owns the parse of a request and the clean-up of an answer, whose actions name other hosts and
//! the credentials for them (threat 119). Does not follow the addresses, nor check an action's own
//! signature.

mod strict;

use serde_json::{Map, Value};
use thiserror::Error;

use self::strict::{Strict, fold};
use super::object_id::{ObjectFormat, ObjectId};

/// Longest request, in bytes.
pub const REQUEST_MAX_BYTES: usize = 1024 * 1024;
/// Longest answer: 1,000 objects with three signed addresses each.
pub const ANSWER_MAX_BYTES: usize = 8 * 1024 * 1024;
/// Most objects of one batch.
pub const OBJECTS_MAX: usize = 1000;

/// A request for a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Read or write.
    pub operation: Operation,
    /// Of what.
    pub objects: Vec<LfsObject>,
}

/// Which way a batch goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// To the client: a read.
    Download,
    /// To the server: a write.
    Upload,
}

/// One large file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LfsObject {
    /// The SHA-256 of its content.
    pub oid: ObjectId,
    /// Its size in bytes.
    pub size: u64,
}

/// Why a batch is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadLfs {
    /// Beyond [`REQUEST_MAX_BYTES`] or [`ANSWER_MAX_BYTES`].
    #[error("the LFS batch is longer than {0} bytes")]
    TooLong(usize),
    /// Not JSON, too deep, or with a name in two spellings: servers differ on which one counts.
    #[error("the LFS batch is not JSON in which each name stands once: {0}")]
    Json(String),
    /// Neither way, or both.
    #[error("the `operation` of the LFS batch is neither `download` nor `upload`")]
    Operation,
    /// Another hash than SHA-256.
    #[error("the `hash_algo` of the LFS batch is not `sha256`")]
    Hash,
    /// No list, a wrong one, or one beyond [`OBJECTS_MAX`].
    #[error(
        "the `objects` of the LFS batch are not at most {OBJECTS_MAX}, each with `oid` and `size`"
    )]
    Objects,
    /// An answer of another shape.
    #[error("the answer to the LFS batch is not an object")]
    Answer,
}

impl Batch {
    /// Parses a request.
    ///
    /// # Errors
    /// [`BadLfs`] where two servers could read two things.
    pub fn parse(body: &[u8]) -> Result<Self, BadLfs> {
        let body = parse(body, REQUEST_MAX_BYTES)?;
        let operation = match body.get("operation").and_then(Value::as_str) {
            Some("download") => Operation::Download,
            Some("upload") => Operation::Upload,
            _ => return Err(BadLfs::Operation),
        };
        if body.get("hash_algo").is_some_and(|hash| hash != "sha256") {
            return Err(BadLfs::Hash);
        }
        let objects = body.get("objects").and_then(Value::as_array).ok_or(BadLfs::Objects)?;
        if objects.len() > OBJECTS_MAX {
            return Err(BadLfs::Objects);
        }
        let objects: Option<Vec<_>> = objects.iter().map(LfsObject::from_json).collect();
        Ok(Self { operation, objects: objects.ok_or(BadLfs::Objects)? })
    }
}

impl LfsObject {
    fn from_json(object: &Value) -> Option<Self> {
        let oid = ObjectId::parse(object.get("oid")?.as_str()?.as_bytes()).ok()?;
        let size = object.get("size")?.as_u64()?;
        (oid.format() == ObjectFormat::Sha256).then_some(Self { oid, size })
    }
}

/// Rewrites an answer so that no action carries a credential: neither among the fields to send
/// nor before the host of an address. Signatures in queries stay: each is of one object.
///
/// # Errors
/// [`BadLfs`] for what is not JSON; such an answer must not be sent on.
pub fn strip_answer(body: &[u8]) -> Result<Vec<u8>, BadLfs> {
    let mut answer = parse(body, ANSWER_MAX_BYTES)?;
    if !answer.is_object() {
        return Err(BadLfs::Answer);
    }
    strip(&mut answer);
    serde_json::to_vec(&answer).map_err(|error| BadLfs::Json(error.to_string()))
}

fn parse(body: &[u8], limit: usize) -> Result<Value, BadLfs> {
    if body.len() > limit {
        return Err(BadLfs::TooLong(limit));
    }
    let value: Result<Strict, _> = serde_json::from_slice(body);
    value.map(|Strict(value)| value).map_err(|error| BadLfs::Json(error.to_string()))
}

/// Looks everywhere: which part of an answer a client reads is the client's affair. The depth is
/// bounded by the parse.
fn strip(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match (fold(name).as_str(), &mut *member) {
                    ("header", Value::Object(fields)) => strip_fields(fields),
                    ("href", Value::String(href)) => strip_user(href),
                    _ => {}
                }
                strip(member);
            }
        }
        _ => {}
    }
}

fn strip_fields(fields: &mut Map<String, Value>) {
    let is_credential = |name: &str| {
        let name = fold(name);
        ["authorization", "cookie", "token", "api-key"].iter().any(|part| name.contains(part))
    };
    fields.retain(|name, _| !is_credential(name));
}

/// Drops `user:password@` from an address.
fn strip_user(href: &mut String) {
    let Some((scheme, rest)) = href.split_once("//") else { return };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if let Some((_, host)) = authority.rsplit_once('@') {
        *href = format!("{scheme}//{host}{tail}");
    }
}
