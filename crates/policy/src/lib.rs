//! Organisation policies: Cedar over who acts, in which run, on what, and when.
//!
//! Owns the schema, the loading of policies and the one question [`PolicySet::evaluate`]. Policies
//! only forbid or ask for a human; what is allowed is the mandate's to say. Sole user of Cedar:
//! none of its types is public. Reads no files, no clock, and waits for nothing.
#![warn(missing_docs)]

mod asked;
mod brief;
mod cedar;
mod error;
mod facts;
mod load;
mod nesting;
mod ruling;
mod rulings;
mod schema;
mod scope;
mod set;
#[cfg(test)]
mod shipped_tests;
mod slices;
#[cfg(test)]
mod testing;

pub use error::{LoadError, LoadErrors};
pub use facts::PolicyFacts;
pub use ruling::{RuleId, Ruling};
pub use schema::schema_text;
pub use set::{PolicySet, PolicySource, UnknownName};
