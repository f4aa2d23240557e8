//! Stories at the socket, over real HTTP and a real plane.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and dial their own sockets"
)]

mod control;
mod doors;
mod gate;
mod launcher;
mod room;
mod served;
