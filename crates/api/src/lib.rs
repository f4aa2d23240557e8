//! The admin API: the plane's verbs as HTTP/1.1 over a Unix socket. Beside it the endpoints of the
//! token service, over TLS to whoever comes.
//!
//! Thin. A handler parses, calls one verb, and answers its view or a problem document (RFC 9457);
//! an endpoint does the same in the words of OAuth.
//! Rights are decided in the plane; this crate only says who is on the other end of the socket and
//! keeps whatever descends from a run away from everything but its own run.
#![warn(missing_docs)]

mod control;
pub mod exchange;
mod extract;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod hand_over;
mod handlers;
mod hold;
mod metrics;
mod oauth;
mod peer;
mod places;
mod problem;
mod routes;
mod server;
mod shared;
pub mod tls;

pub use hand_over::can_tell_networks;
pub use metrics::Metrics;
pub use oauth::{EdgeLimits, TokenService};
pub use problem::Problem;
pub use routes::{RouteLine, Who, listing};
pub use server::{Api, bind};
