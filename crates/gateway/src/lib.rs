//! The gateway: doors for agents' requests, credentials set on the way through, outcomes told.
//!
//! Thin around the road: what may pass is decided by `marque_plane` alone. Owns recognition,
//! address checks, injection and streaming; keeps no fact, no credential and no body.
//!
//! ```text
//! door ─▶ recognise ─▶ the road ─▶ open ─▶ dial ─▶ inject ─▶ relay ─▶ outcome
//!            │ malformed     │ refused          │ failed
//!            ▼               ▼                  ▼
//!           400        401, 403, 407, 429, 503  502, 504
//! ```
#![warn(missing_docs)]

mod body;
mod captured;
mod clean;
mod client_hello;
mod dial;
mod door;
mod failure;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod gathered;
mod guarded;
mod headers;
mod leaf;
mod pace;
#[cfg(test)]
mod packing;
mod pipeline;
mod places;
mod pool;
mod read_ahead;
mod recognise;
mod refuse;
mod relay;
mod scrub;
mod session;
mod socket;
mod tally;
mod tracked;
mod voice;

pub use dial::Outward;
pub use gateway::{Gateway, GatewaySettings, ReverseSettings, ServeError};
