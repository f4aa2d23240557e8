//! The endpoints of the token service, over TLS to whoever comes: token, introspection, revocation,
//! keys, status lists, metadata, and the schemas of `authorization_details`.
//!
//! Reads a request, asks the plane, and answers in the words of RFC 6749. Nothing that a client
//! sends comes back in an answer (threat 38), and nothing here knows who may have what.

mod answer;
mod ask;
mod crowd;
mod endpoint;
mod published;
mod rates;
mod run;
mod service;
mod status;

pub(crate) use run::own_token;
pub use service::{EdgeLimits, TokenService};
