//! Stories at the socket, over real HTTP and a real plane.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod gate;
mod room;
mod served;
