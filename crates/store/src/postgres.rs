//! The PostgreSQL engine. The only module that names the driver.
//!
//! Owns how connections are dialled, proven and set, how statements share round trips, and how the
//! driver's values and errors become ours. It has no thread and no runtime: whoever calls drives
//! the connection, so it works from any thread, inside an async runtime or not.

mod connection;
mod dialect;
mod failure;
mod fence;
mod line;
mod listener;
mod passfile;
mod socket;
mod target;
mod trust;
mod url;
mod values;

pub(crate) use connection::Connection;
pub use listener::Listener;
pub(crate) use target::Target;
pub use url::DatabaseUrl;
