//! Why the sequencer could not commit, apart from what a command itself decided.

use marque_domain::canonical::NotCanonical;
use marque_store::StoreError;

/// What there is to do where the database lacks what was committed.
pub(crate) const REWOUND: &str = "a human must look: bring back the database that has it, or say \
                                  `marque store restored` and start every server anew";

/// The sequencer could not commit.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The queue is full.
    #[error("too many changes wait for the log")]
    Overloaded,
    /// The server is stopping, or the log's disk failed for good.
    #[error("the log is closed")]
    Stopped,
    /// The log's disk failed after the change was committed in memory.
    #[error(
        "the log's disk failed: what was asked may have taken effect, and nothing more is allowed \
         until the server is restarted on a disk that works"
    )]
    Lost,
    /// The connection to the log's database broke while it committed.
    #[error("the log's database was lost while it committed: what was asked may have taken effect")]
    InDoubt,
    /// The log's database says nothing, for longer than anybody waits.
    #[error("the log's database does not answer")]
    Silent,
    /// The other servers of this store go on without this one.
    #[error("the other servers go on without this one: {0}")]
    Deposed(String),
    /// The store is an older copy of what it was.
    #[error("{0}")]
    Rewound(String),
    /// The store refused or broke.
    #[error("the log cannot be written: {0}")]
    Store(String),
    /// A record has no canonical form.
    #[error("a record cannot be written: {0}")]
    Record(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            // If it took effect the world in memory is behind, and the store takes no entry of it.
            StoreError::InDoubt(_) => Self::InDoubt,
            StoreError::Deposed(why) => Self::Deposed(why),
            error @ StoreError::Rewound(_) => Self::Rewound(error.to_string()),
            // Restarting the same program would not help, but its supervisor must hear of it.
            StoreError::TooOld(_) => Self::Deposed(error.to_string()),
            error => Self::Store(error.to_string()),
        }
    }
}

impl From<NotCanonical> for Failure {
    fn from(error: NotCanonical) -> Self {
        Self::Record(error.to_string())
    }
}
