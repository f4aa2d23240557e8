//! Stories through the front door: the real binary, real sockets, real peers.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests dial their own sockets, wait in real time, and start real processes"
)]

mod approval;
mod background;
mod canary;
mod captured;
mod cli;
mod confined;
mod crash;
mod demo;
mod differential;
mod disks;
mod doctor;
mod echo;
mod ending;
mod files;
mod framing;
mod git;
mod git_host;
mod inside;
mod kill;
mod log;
mod log_key;
mod oauth;
mod peers;
mod postgres;
mod restored;
mod road;
mod sockets;
mod support;
mod tamper;
mod token_cli;
mod torn;
mod vault;
