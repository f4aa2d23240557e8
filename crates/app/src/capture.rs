//! The tier `captured`: a command in namespaces of its own, from which only the gateway is reached.
//!
//! Three programs in one binary, told apart by the name they are started under. `marque run` stays
//! outside and talks to the server. `marque-enter` makes the namespaces and is gone. `marque-init`
//! is the first process inside: it builds what the run sees, opens its listeners, and ends with it.
//! `marque-exec` gives up every power and becomes the command. None of them forks by hand, so the
//! kernel's unsafe calls are the standard library's. Where namespaces are not allowed,
//! `marque-confine` fences the command in and becomes it: the tier `confined`.

pub(crate) mod asked;
mod awaited;
mod channel;
mod confine;
pub(crate) mod doors;
mod entrance;
mod executed;
mod first;
mod hidden;
mod inside;
pub(crate) mod kernel;
mod leaf;
pub(crate) mod message;
mod narrow;
pub(crate) mod places;
mod protected;
mod repository;
mod stage;
pub(crate) mod stubs;
mod supervise;
mod terminal;
mod tree;
mod view;

pub(crate) use confine::Fence;
pub(crate) use hidden::named_by;
pub(crate) use inside::dispatch;
pub(crate) use leaf::delegated;
pub(crate) use stage::{Below, Lender, Stage, Unfit};
pub(crate) use supervise::{Beside, supervise};
pub(crate) use view::{Home, Wanted, Work};
