//! An LFS batch: a read or a write, as its body says.

use marque_wire::git::lfs::{BadLfs, Batch, Operation as Asked, REQUEST_MAX_BYTES};

use super::About;
use crate::recognise::{Learned, ReadBody};
use crate::refuse::Notice;
use crate::voice::Voice;

/// The body of a batch that is about to be read, all of it.
pub(super) struct BatchBody {
    about: About,
    read: Vec<u8>,
}

impl BatchBody {
    pub(super) fn new(about: About) -> Self {
        Self { about, read: Vec::new() }
    }
}

impl ReadBody for BatchBody {
    fn feed(&mut self, bytes: &[u8]) -> Result<bool, Notice> {
        if self.read.len() + bytes.len() > REQUEST_MAX_BYTES {
            return Err(refused("the batch is longer than 1 MiB"));
        }
        self.read.extend_from_slice(bytes);
        Ok(false)
    }

    fn learn(self: Box<Self>) -> Result<Learned, Notice> {
        let Self { about, read } = *self;
        let batch = Batch::parse(&read).map_err(|bad: BadLfs| refused(&bad.to_string()))?;
        let name = match batch.operation {
            Asked::Download => "repo.read",
            Asked::Upload => "lfs.write",
        };
        Ok(Learned::Operation(Box::new(about.named(name)), Voice::Lfs))
    }
}

fn refused(why: &str) -> Notice {
    let notice = Notice::malformed("lfs", why, "send a batch as git-lfs does");
    notice.in_voice(Voice::Lfs)
}
