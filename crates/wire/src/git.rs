//! Git over HTTP: smart and dumb (gitprotocol-http(5)), and large files (the git-lfs API).
//!
//! Owns what a request to a git server asks, the commands of a push, the framing of a fetch, and
//! refusals that the git client understands; and what a commit or a tag says of who made it.
//! Decides nothing.

pub mod answer;
pub mod fetch;
mod gzip;
pub mod lfs;
pub mod object;
mod object_id;
pub mod pack;
pub mod pkt;
pub mod push;
mod ref_name;
mod repo;
mod route;
mod service;

pub use object_id::{BadObjectId, ObjectFormat, ObjectId};
pub use ref_name::{BadRefName, REF_MAX_BYTES, RefName};
pub use repo::{BadRepo, REPO_MAX_BYTES, REPO_MAX_SEGMENTS, RepoName};
pub use route::{BadGit, Call, Route, route};
pub use service::{BadVersion, Service, Version};

#[cfg(test)]
mod tests;
