//! The token service through its front door: who gets a token, and what it says.

mod bounds;
mod deferred;
mod early;
mod foreign;
mod grants;
mod keys;
mod kills;
mod people;
mod published;
mod races;
mod random;
mod retired_keys;
mod status;
mod survives;
