//! Starting a command as a run, and ending everything it left behind.
//!
//! Holds no credential: what the command gets is the run's own name and bounds, and in the tier
//! `advisory` its proxy. The tier `captured` is `crate::capture`.

pub(crate) mod anchor;
pub(crate) mod bundle;
pub(crate) mod children;
pub(crate) mod git;
mod laid;
pub(crate) mod mandate;
pub(crate) mod supervise;
mod variables;

pub(crate) use bundle::Bundle;
pub(crate) use laid::Laid;
pub(crate) use supervise::{Cause, Ended, supervise};
pub(crate) use variables::{Reach, Wanted, of_run, passed};
