//! The tier `captured`: a command in namespaces of its own, from which only the gateway is reached.
//!
//! Three programs in one binary, told apart by the name they are started under. `marque run` stays
//! outside and talks to the server. `marque-enter` makes the namespaces and is gone. `marque-init`
//! is the first process inside: it builds what the run sees, opens its listeners, and ends with it.
//! `marque-exec` gives up every power and becomes the command. None of them forks by hand, so the
//! kernel's unsafe calls are the standard library's.

pub(crate) mod asked;
mod channel;
pub(crate) mod doors;
mod first;
mod hidden;
mod inside;
mod leaf;
pub(crate) mod message;
pub(crate) mod places;
mod protected;
mod stage;
pub(crate) mod stubs;
mod supervise;
mod terminal;
mod view;

pub(crate) use inside::dispatch;
pub(crate) use stage::{Below, Lender, Stage, Unfit};
pub(crate) use supervise::{Beside, supervise};
pub(crate) use view::{Home, Wanted, Work};
