//! The red team: every attack is tried outside, where it must succeed, and inside, where it must
//! not.
//!
//! What each is after is a canary of the test's own: a server, a socket, a file, a process. One
//! that fails outside has gone blind and fails the suite. `docs/development/red-team.md` lists
//! them.

mod attacker;
mod canary;
mod escape;
mod files;
mod human;
mod kernel;
mod life;
mod nested;
mod network;
mod passed;
mod processes;
mod sockets;
mod team;
mod terminal;
