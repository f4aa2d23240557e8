//! The question a hold leaves for a human.

use std::time::Duration;

use marque_domain::{Approval, ApprovalState, Digest, Id, Operation, Run};

use crate::failure::Failure;
use crate::step::Step;

/// Questions one run may leave open.
const MAX_WAITING: usize = 32;

/// What a human is asked.
pub(super) struct Question<'a> {
    pub(super) run: Id<Run>,
    pub(super) digest: Digest,
    pub(super) operation: &'a Operation,
    pub(super) line: &'a str,
    pub(super) reason: &'a str,
    pub(super) ttl: Duration,
}

impl Question<'_> {
    // One open question for each operation of a run: asking again is not another question. Says
    // whether this one is new.
    pub(super) fn ask(&self, step: &mut Step<'_, '_>) -> Result<(Id<Approval>, bool), Failure> {
        let now = step.now;
        let waiting: Vec<_> =
            step.world.approvals_of(self.run).filter(|open| open.fact.is_waiting(now)).collect();
        if let Some(same) = waiting.iter().find(|open| open.fact.digest == self.digest) {
            return Ok((same.fact.id, false));
        }
        if waiting.len() >= MAX_WAITING {
            return Err(Failure::Overloaded);
        }
        let asked = Approval {
            id: step.id(),
            run: self.run,
            digest: self.digest,
            operation: self.operation.clone(),
            line: self.line.to_owned(),
            reason: self.reason.to_owned(),
            asked_at: now,
            until: now.plus(self.ttl),
            state: ApprovalState::Asked,
        };
        Ok((step.save(asked)?.fact.id, true))
    }
}
