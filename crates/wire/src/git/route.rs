//! What a request to a git server asks, by its method, path and query (gitprotocol-http(5)).
//!
//! Owns the shapes of git's paths, read from their end, as servers do. A path of such a shape with
//! anything else wrong is refused, never passed on as "not git": a looser rule must not see it.

use http::Method;
use thiserror::Error;

use super::object_id::ObjectId;
use super::repo::{BadRepo, RepoName};
use super::service::Service;
use crate::path::Path;

/// A request to a git server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What it is about.
    pub repo: RepoName,
    /// What it asks.
    pub call: Call,
}

/// What a request asks of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// `GET info/refs?service=…`: which refs there are.
    Discovery(Service),
    /// `POST` to a service: a fetch or a push.
    Exchange(Service),
    /// A file of the repository, by the dumb protocol: a read.
    Dumb,
    /// `POST info/lfs/objects/batch`: read or write, as its body says.
    LfsBatch,
    /// A large file comes.
    LfsDownload,
    /// A large file goes, or is said to have gone.
    LfsUpload,
    /// Which paths are locked.
    LfsLocksRead,
    /// A path is locked or unlocked.
    LfsLock,
}

/// Why a request of a git shape is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadGit {
    /// A repository that cannot be named.
    #[error(transparent)]
    Repo(#[from] BadRepo),
    /// A method that belongs to another shape.
    #[error("git does not use this method on this path")]
    Method,
    /// Another service, or anything next to it.
    #[error(
        "`info/refs` takes `?service=git-upload-pack`, `?service=git-receive-pack` \
         or `?service=git-upload-archive`, and nothing else"
    )]
    Service,
    /// A query where git sends none.
    #[error("git sends no query on this path")]
    Query,
    /// Upper or lower case, or a slash at the end: some servers take it for the real path.
    #[error("the path is git's but for its case or a slash at its end; write it as git does")]
    Spelling,
    /// A path of the LFS API that is not known here.
    #[error("this path of the LFS API is not supported")]
    UnknownLfs,
}

/// Reads what a request asks; `None` where its path is not of git.
///
/// # Errors
/// [`BadGit`] for a path of git with a method, service, query or repository that is not.
pub fn route(method: &Method, path: &Path) -> Result<Option<Route>, BadGit> {
    let mut segments: Vec<&str> = path.segments().collect();
    let has_slash = segments.len() > 1 && segments.last().is_some_and(|last| last.is_empty());
    if has_slash {
        segments.pop();
    }
    let lower: Vec<String> = segments.iter().map(|part| part.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let Some((shape, length)) = Shape::at_end_of(&lower) else {
        return Ok(None);
    };
    let (repo, tail) = segments.split_at(segments.len().saturating_sub(length));
    if has_slash || !shape.is_spelled(tail) {
        return Err(BadGit::Spelling);
    }
    let call = shape.call(method, path.query())?;
    let repo = RepoName::from_segments(repo.iter().copied())?;
    Ok(Some(Route { repo, call }))
}

/// A shape of path that git knows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    InfoRefs,
    Service(Service),
    Head,
    DumbFile,
    LfsBatch,
    LfsVerify,
    LfsObject,
    LfsLocks,
    LfsLocksVerify,
    LfsUnlock,
    LfsOther,
}

impl Shape {
    /// The shape that a path ends in, and its number of segments. Takes the path in lower case.
    fn at_end_of(segments: &[&str]) -> Option<(Self, usize)> {
        match *segments {
            [.., "info", "refs"] => return Some((Self::InfoRefs, 2)),
            [.., "head"] => return Some((Self::Head, 1)),
            [.., "objects", "info", "packs" | "alternates" | "http-alternates"] => {
                return Some((Self::DumbFile, 3));
            }
            [.., "objects", "pack", file] if is_pack_file(file) => {
                return Some((Self::DumbFile, 3));
            }
            [.., "objects", fan, rest] if is_loose_object(fan, rest) => {
                return Some((Self::DumbFile, 3));
            }
            _ => {}
        }
        let last = segments.last()?;
        let service = Service::ALL.into_iter().find(|service| service.as_str() == *last);
        if let Some(service) = service {
            return Some((Self::Service(service), 1));
        }
        Self::of_lfs(segments)
    }

    fn of_lfs(segments: &[&str]) -> Option<(Self, usize)> {
        let starts = |pair: &[&str]| matches!(pair, ["info", "lfs"] | ["gitlab-lfs", "objects"]);
        let at = segments.windows(2).rposition(starts)?;
        let tail = segments.get(at..)?;
        let shape = match *tail {
            ["info", "lfs", "objects", "batch"] => Self::LfsBatch,
            ["info", "lfs", "verify"] | ["info", "lfs", "objects", "verify"] => Self::LfsVerify,
            ["info", "lfs", "locks"] => Self::LfsLocks,
            ["info", "lfs", "locks", "verify"] => Self::LfsLocksVerify,
            ["info", "lfs", "locks", _, "unlock"] => Self::LfsUnlock,
            ["info", "lfs", "objects", oid] | ["gitlab-lfs", "objects", oid] if is_oid(oid, 64) => {
                Self::LfsObject
            }
            ["info", "lfs", "objects", oid, size] | ["gitlab-lfs", "objects", oid, size]
                if is_oid(oid, 64) && is_size(size) =>
            {
                Self::LfsObject
            }
            _ => Self::LfsOther,
        };
        Some((shape, tail.len()))
    }

    /// Whether the end of the path is written as git writes it: in lower case but for `HEAD` and
    /// the id of a lock, which is the server's.
    fn is_spelled(self, tail: &[&str]) -> bool {
        let is_lower = |part: &&str| !part.bytes().any(|byte| byte.is_ascii_uppercase());
        match (self, tail) {
            (Self::Head, tail) => *tail == ["HEAD"],
            (Self::LfsUnlock, [info, lfs, locks, _, unlock]) => {
                [info, lfs, locks, unlock].into_iter().all(is_lower)
            }
            _ => tail.iter().all(is_lower),
        }
    }

    fn call(self, method: &Method, query: Option<&str>) -> Result<Call, BadGit> {
        // The only query but `service`: a filter of the list of locks.
        let takes_query = matches!(self, Self::InfoRefs | Self::LfsLocks);
        if query.is_some() && !takes_query {
            return Err(BadGit::Query);
        }
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        match self {
            Self::InfoRefs => match query {
                Some(query) if *method == Method::GET => discovery(query),
                None if is_read => Ok(Call::Dumb),
                _ => Err(BadGit::Method),
            },
            Self::Head | Self::DumbFile if is_read => Ok(Call::Dumb),
            Self::Service(service) if *method == Method::POST => Ok(Call::Exchange(service)),
            Self::LfsBatch if *method == Method::POST => Ok(Call::LfsBatch),
            Self::LfsVerify if *method == Method::POST => Ok(Call::LfsUpload),
            Self::LfsObject if is_read => Ok(Call::LfsDownload),
            Self::LfsObject if *method == Method::PUT => Ok(Call::LfsUpload),
            Self::LfsLocks if *method == Method::GET => Ok(Call::LfsLocksRead),
            Self::LfsLocks | Self::LfsUnlock if *method == Method::POST => match query {
                None => Ok(Call::LfsLock),
                Some(_) => Err(BadGit::Query),
            },
            Self::LfsLocksVerify if *method == Method::POST => Ok(Call::LfsLocksRead),
            Self::LfsOther => Err(BadGit::UnknownLfs),
            _ => Err(BadGit::Method),
        }
    }
}

fn discovery(query: &str) -> Result<Call, BadGit> {
    let name = query.strip_prefix("service=").ok_or(BadGit::Service)?;
    let service = Service::ALL.into_iter().find(|service| service.as_str() == name);
    service.map(Call::Discovery).ok_or(BadGit::Service)
}

fn is_oid(text: &str, digits: usize) -> bool {
    text.len() == digits && ObjectId::parse(text.as_bytes()).is_ok()
}

fn is_loose_object(fan: &str, rest: &str) -> bool {
    fan.len() == 2 && ObjectId::parse(format!("{fan}{rest}").as_bytes()).is_ok()
}

fn is_pack_file(file: &str) -> bool {
    let stem = file.strip_suffix(".pack").or_else(|| file.strip_suffix(".idx"));
    let id = stem.and_then(|stem| stem.strip_prefix("pack-"));
    id.is_some_and(|id| ObjectId::parse(id.as_bytes()).is_ok())
}

fn is_size(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}
