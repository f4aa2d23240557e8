//! Checkpoints: each must be of what the model saw, and of every later one the beginning.

use std::cell::RefCell;

use marque_domain::Digest;
use marque_plane::view::CheckpointView;
use marque_store::Tx;
use marque_tlog::{Frontier, HashSource, consistency, verify_consistency};

use super::model::{Wrong, must};
use super::sim::Sim;

/// Checkpoints that are kept to be held against later ones.
const KEPT: usize = 6;

impl Sim {
    pub(super) async fn checkpoints(&mut self) -> Result<(), Wrong> {
        let checkpoint = match self.front().plane().checkpoint(None).await {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                self.absorb()?;
                return self.may_fail(&error);
            }
        };
        self.absorb()?;
        let size = usize::try_from(checkpoint.size).unwrap();
        let seen = self.model.leaves.get(..size).ok_or("a checkpoint covers more than there is")?;
        must(root_of(seen) == checkpoint.root, || {
            format!("the checkpoint of {size} entries is of others than were seen")
        })?;
        self.checkpoints.iter().try_for_each(|old| self.must_go_on_from(old, &checkpoint))?;
        if self.checkpoints.len() < KEPT {
            self.checkpoints.push(checkpoint);
        }
        Ok(())
    }

    fn must_go_on_from(&self, old: &CheckpointView, new: &CheckpointView) -> Result<(), Wrong> {
        let proven = self.front().store().read("sim.proof", |tx| {
            let source = Stored(RefCell::new(tx));
            Ok(consistency(old.size, new.size, &source).and_then(|proof| {
                let checked = verify_consistency(old.size, &old.root, new.size, &new.root, &proof);
                checked.map_err(Broken::from)
            }))
        });
        let proven = proven.map_err(|error| format!("the tree cannot be read: {error}"))?;
        proven.map_err(|Broken(why)| {
            format!("{} entries do not go on from {}: {why}", new.size, old.size)
        })
    }

    /// The offline verifier, with every checkpoint that was kept.
    pub(super) fn verifies(&self) -> Result<(), Wrong> {
        let (plane, log) = (self.front(), self.front().log());
        for kept in &self.checkpoints {
            let report = log.verified(&plane.log_key(), &kept.note);
            must(report.holds(), || format!("the log does not verify: {report:?}"))?;
        }
        must(!log.text().contains("secret-"), || "a credential stands in the log".to_owned())
    }
}

fn root_of(leaves: &[Digest]) -> Digest {
    let mut tree = Frontier::new();
    for leaf in leaves {
        tree.append(*leaf);
    }
    tree.root()
}

struct Stored<'a, 'tx>(RefCell<&'a mut Tx<'tx>>);

struct Broken(String);

impl From<marque_tlog::Error> for Broken {
    fn from(error: marque_tlog::Error) -> Self {
        Self(error.to_string())
    }
}

impl HashSource for Stored<'_, '_> {
    type Error = Broken;

    fn hashes(&self, level: u8, start: u64, count: usize) -> Result<Vec<Digest>, Broken> {
        let read = self.0.borrow_mut().hashes(level, start, count as u64);
        read.map_err(|error| Broken(error.to_string()))
    }
}
