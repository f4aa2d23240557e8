//! The token service: an OAuth 2 authorization server for agents (RFC 6749, RFC 8693, RFC 9068).
//!
//! It has no road of its own. Who asks is proven here, which run that is and what the token would
//! say; then [`crate::decide`] says yes or no, and [`crate::issue::sign`] signs what its permit is
//! for. A chain only narrows because every hop is a child run.

mod answer;
mod ask;
mod bound;
mod client;
mod decoy;
mod deferred;
mod details;
mod early;
mod exchange;
mod holder;
mod introspect;
mod job;
mod keys;
mod metadata;
mod mint;
mod nonce;
mod person;
mod present;
mod proof;
mod revoke;
mod service;
mod status;
mod target;

pub use answer::{Asked, Deferred, Refused, TokenAnswer, error_of};
pub use ask::{EndpointAsk, OAuthSettings};
pub use bound::BoundProof;
pub use deferred::INTERVAL_SECS;
pub use details::{DetailType, TYPES};
pub use keys::PUBLISHED_SECS;
pub use present::{TokenAtDoor, step_up_of};
pub use status::PublishedList;

pub(crate) use bound::{Bound, Spent, Use};
pub(crate) use deferred::{Deferral, Polls};
pub(crate) use keys::{SigningKey, TokenKeys};
pub(crate) use mint::{Hashed, Mint};
pub(crate) use nonce::LatestNonces;
pub(crate) use present::VerifiedTokens;
pub(crate) use revoke::Asserted;
pub(crate) use status::{Rendered, take_place};
