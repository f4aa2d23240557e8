//! Starting a command as a run, and ending everything it left behind.
//!
//! Holds no credential: what the command gets is the run's own name, bounds and proxy. The tier
//! `advisory` is all this launcher can give, and it says so.

pub(crate) mod anchor;
mod bundle;
mod children;
pub(crate) mod git;
pub(crate) mod mandate;
mod supervise;
mod variables;

pub(crate) use bundle::Bundle;
pub(crate) use supervise::{Cause, Ended, supervise};
pub(crate) use variables::{Wanted, of_run};
