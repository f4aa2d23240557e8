//! Credentials as facts: which secret stands behind which connection. Never the secret itself.

use serde::{Deserialize, Serialize};

use crate::connection::Connection;
use crate::fact::Fact;
use crate::id::{Id, Named};
use crate::time::Timestamp;
use crate::user::User;

/// A sealed secret behind a connection. Each rotation is a new revision; the sealed bytes lie in
/// the store beside it, bound to id and revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Which.
    pub id: Id<Credential>,
    /// Behind which connection.
    pub connection: Id<Connection>,
    /// Who put it in, or last rotated it.
    pub sealed_by: Id<User>,
    /// When.
    pub sealed_at: Timestamp,
}

impl Named for Credential {
    const PREFIX: &'static str = "crd";
    const NOUN: &'static str = "a credential";
}

impl Fact for Credential {
    fn id(&self) -> Id<Self> {
        self.id
    }
}
