//! Approvals: showing a human what is held, and taking the answer.
//!
//! A yes needs the factor for this digest, every time: an unlocked terminal does not count.

use std::sync::Arc;

use marque_domain::{Approval, Digest, Id, Revised, User, UserRef, Verb};

use super::{Detailed, changed};
use crate::caller::{Acting, Factor, Peer};
use crate::error::{AdminError, AdminKind};
use crate::plane::Plane;
use crate::step::Step;
use crate::view::ApprovalView;
use crate::world::World;

const MAX_SHOWN: u64 = 1_000;

impl Plane {
    /// What waits for a human, oldest first; with `all`, what was answered or lapsed too.
    pub async fn approvals(
        &self,
        _who: &Acting<User>,
        all: bool,
    ) -> Result<Vec<ApprovalView>, AdminError> {
        let (world, now) = (self.world(), self.now());
        let show = self.show(&world);
        if !all {
            let waiting = world.approvals.all().filter(|open| open.fact.is_waiting(now));
            let mut views: Vec<_> =
                waiting.filter_map(|approval| show.approval(&approval.fact)).collect();
            views.sort_by_key(|view| view.approval.id);
            return Ok(views);
        }
        let store = self.inner().store.clone();
        let read = move || store.read("approvals", |tx| tx.recent::<Approval>(None, MAX_SHOWN));
        let found: Vec<Revised<Approval>> = self.blocking(read).await??;
        let mut views = Vec::with_capacity(found.len());
        for approval in found.iter().rev() {
            views.extend(self.show_approval(&world, &approval.fact).await?);
        }
        Ok(views)
    }

    /// One approval, by id, with everything a human needs to answer.
    pub async fn approval(
        &self,
        _who: &Acting<User>,
        which: &str,
    ) -> Result<ApprovalView, AdminError> {
        let id: Id<Approval> = which.parse().map_err(|error| AdminError::invalid(&error))?;
        let world = self.world();
        let unknown = || AdminError::not_found("approval", which, "marque approval list --all");
        let approval = if let Some(approval) = world.approvals.get(id) {
            approval.fact.clone()
        } else {
            let store = self.inner().store.clone();
            let found = self.blocking(move || store.read("approval", |tx| tx.get(id)));
            found.await??.ok_or_else(unknown)?.fact
        };
        self.show_approval(&world, &approval).await?.ok_or_else(unknown)
    }

    /// A human's yes, with their factor, to exactly the digest they were shown.
    pub async fn give_approval(
        &self,
        peer: &Peer,
        factor: Factor,
        which: &str,
        digest: Digest,
    ) -> Result<ApprovalView, AdminError> {
        let user = self.prove_human(peer, factor).await?;
        let who = Acting::proven(user, false);
        self.answer(&who, which, Verb::ApprovalGiven, move |approval, by, step| {
            approval.give(by.id, digest, step.now).map_err(|error| AdminError::conflict(&error))
        })
        .await
    }

    /// A human's no.
    pub async fn decline_approval(
        &self,
        who: &Acting<User>,
        which: &str,
    ) -> Result<ApprovalView, AdminError> {
        self.answer(who, which, Verb::ApprovalDeclined, |approval, by, step| {
            approval.decline(by.id, step.now).map_err(|error| AdminError::conflict(&error))
        })
        .await
    }

    async fn answer(
        &self,
        who: &Acting<User>,
        which: &str,
        verb: Verb,
        next: impl Fn(Approval, &UserRef, &Step<'_, '_>) -> Result<Approval, AdminError>
        + Send
        + 'static,
    ) -> Result<ApprovalView, AdminError> {
        let id: Id<Approval> = which.parse().map_err(|error| AdminError::invalid(&error))?;
        let (by, which, plane) = (Self::by(who), which.to_owned(), self.clone());
        let answered = self.change(who, move |step| {
            // One that is over is no longer in the world; the store still tells how it ended.
            let open = step.world.approvals.get(id).map(|approval| approval.fact.clone());
            let found = match open {
                Some(open) => Some(open),
                None => step.tx.get(id)?.map(|over| over.fact),
            };
            let approval = found
                .ok_or_else(|| AdminError::not_found("approval", &which, "marque approval list"))?;
            must_be_theirs(step.world, &approval, &by)?;
            let answered = step.save(next(approval, &by, step)?)?;
            let label = answered.fact.operation.to_string();
            let entry = changed(verb, &by, Some(answered.reference()), label)
                .detail("digest", answered.fact.digest)
                .detail("run", answered.fact.run);
            step.append(entry.event())?;
            let world = Arc::new(step.world.clone());
            plane.show(&world).approval(&answered.fact).ok_or_else(AdminError::unavailable)
        });
        answered.await
    }

    // An approval whose run is long gone is shown with what the store still knows of the run.
    async fn show_approval(
        &self,
        world: &World,
        approval: &Approval,
    ) -> Result<Option<ApprovalView>, AdminError> {
        if world.runs.get(approval.run).is_some() {
            return Ok(self.show(world).approval(approval));
        }
        let (store, run) = (self.inner().store.clone(), approval.run);
        let found = self.blocking(move || store.read("run", |tx| tx.get(run))).await??;
        Ok(found.map(|run| self.show(world).approval_in(approval, &run.fact)))
    }
}

// Whoever answers for the agent, or administers the plane. Never the agent: it has no factor.
fn must_be_theirs(world: &World, approval: &Approval, by: &UserRef) -> Result<(), AdminError> {
    let is_admin = world.users.get(by.id).is_some_and(|user| user.fact.is_admin);
    let run = world.runs.get(approval.run);
    let agent = run.and_then(|run| world.agents.get(run.fact.agent));
    let answers =
        agent.is_some_and(|agent| agent.fact.owner == by.id || agent.fact.sponsor == by.id);
    if is_admin || answers {
        return Ok(());
    }
    let message = format!("`{}` does not answer for the agent that asks", by.name);
    Err(AdminError::new(AdminKind::Forbidden, message).hint("ask its owner or sponsor"))
}
