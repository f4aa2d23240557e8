//! Stories at the socket, over real HTTP and a real plane.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod control;
mod doors;
mod gate;
mod hostile;
mod launcher;
mod oauth;
mod room;
mod served;
