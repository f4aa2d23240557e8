//! One file for each noun. A handler parses, calls one verb of the plane, and answers its view.
//!
//! An `if` about rights in here would be a hole in the plane.

pub(crate) mod agents;
pub(crate) mod approvals;
pub(crate) mod clients;
pub(crate) mod connections;
pub(crate) mod decisions;
pub(crate) mod grants;
pub(crate) mod humans;
pub(crate) mod issuers;
pub(crate) mod keys;
pub(crate) mod log;
pub(crate) mod own_run;
pub(crate) mod runs;
pub(crate) mod status;
pub(crate) mod tokens;
