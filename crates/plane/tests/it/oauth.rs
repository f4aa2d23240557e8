//! The token service through its front door: who gets a token, and what it says.

mod grants;
mod keys;
