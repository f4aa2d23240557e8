//! The world a story happens in: a plane of its own, an upstream that writes down what it saw,
//! runs that are typed into, and a client that says exactly the bytes it is given.

mod dice;
mod disk;
mod git_host;
mod namespace;
mod peers;
mod plane;
mod proxy;
mod run;
mod sqlite;
mod told;
mod upstream;
mod wait;
mod world;

pub(crate) use dice::Dice;
pub(crate) use disk::Disk;
pub(crate) use git_host::{GIT_TOKEN, GitHost};
pub(crate) use namespace::Namespace;
pub(crate) use peers::{Library, Peers};
pub(crate) use plane::{BINARY, Marque, PASSPHRASE, chmod, signal};
pub(crate) use proxy::{Proxy, hear_one, hear_to_the_end};
pub(crate) use run::{Run, Typed};
pub(crate) use sqlite::{sqlite, sqlite_at};
pub(crate) use told::{Json, Told};
pub(crate) use upstream::{Seen, Upstream, certify};
pub(crate) use wait::eventually;
pub(crate) use world::{CREDENTIAL, World};
