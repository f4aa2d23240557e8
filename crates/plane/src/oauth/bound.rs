//! What is known of a caller that proved itself by a key: its run, what it used up, what it is
//! bound by.

use std::sync::Arc;

use marque_domain::{
    AccessToken, Approval, Code, Digest, Id, Operation, Refusal, Revised, Timestamp,
};

use super::mint::{Mint, Minting};
use crate::caller::Presented;
use crate::live::LiveRun;
use crate::run::Standing;
use crate::world::World;

/// Something that is good once, by its digest, and until when that must be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) digest: Digest,
    pub(crate) until: Timestamp,
    pub(crate) spent: Spent,
}

/// Which answers use up something that is good once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spent {
    /// Any that is recorded.
    Always,
    /// Any but a hold: the client has no other to come with again.
    UnlessHeld,
    /// A yes alone: after anything else it can still have one.
    WhenAllowed,
}

impl Use {
    /// The name of something among those of one owner.
    pub(crate) fn of(kind: &str, owner: &str, name: &str, until: Timestamp) -> Self {
        // None of the parts holds a line feed: all are visible ASCII.
        let named = format!("{kind}\n{owner}\n{name}");
        let digest = marque_crypto::hash::sha256(named.as_bytes());
        Self { digest, until, spent: Spent::Always }
    }

    /// The same, used up by those answers.
    pub(super) fn spent(self, spent: Spent) -> Self {
        Self { spent, ..self }
    }
}

/// Proof that a client of the token service, or whoever a token is bound to, was there. Made by the
/// token service alone, good for one request.
pub struct BoundProof {
    live: Arc<LiveRun>,
    uses: Vec<Use>,
    /// The token that is asked for.
    minting: Option<Minting>,
    /// The token of ours that was presented or exchanged.
    token: Option<Held>,
}

/// What a decision is bound to because of who asks. Nothing for whoever holds a run by a secret or
/// a door.
#[derive(Default)]
pub(crate) struct Bound {
    /// The token to be signed.
    pub(crate) token: Option<Box<Mint>>,
    /// What is good once, and used by this.
    pub(crate) uses: Vec<Use>,
    /// Tokens of ours that it rests on: none of them may be taken back.
    pub(crate) rests_on: Vec<Id<AccessToken>>,
}

/// Effects, each by its name and resource parts.
pub(crate) type Covered = Vec<(String, Vec<String>)>;

/// A token of ours in somebody's hands.
pub(crate) struct Held {
    pub(crate) id: Id<AccessToken>,
    pub(crate) until: Timestamp,
    /// The effects it is bound to; `None` where its run's mandate alone says.
    pub(crate) covers: Option<Covered>,
}

impl BoundProof {
    pub(super) fn new(live: Arc<LiveRun>, uses: Vec<Use>) -> Self {
        Self { live, uses, minting: None, token: None }
    }

    /// The same, to ask for a token.
    pub(super) fn asking(self, minting: Minting) -> Self {
        Self { minting: Some(minting), ..self }
    }

    /// The same, resting on a token.
    pub(super) fn with(self, token: Option<Held>) -> Self {
        Self { token, ..self }
    }

    pub(crate) fn live(&self) -> &Arc<LiveRun> {
        &self.live
    }
}

impl Presented {
    fn bound(&self) -> Option<&BoundProof> {
        match self {
            Self::Bound(proof) => Some(proof),
            Self::Nothing | Self::RunSecret { .. } | Self::Door(_) => None,
        }
    }

    /// What is good once, and is used by the request whatever comes of it.
    pub(crate) fn uses(&self) -> &[Use] {
        self.bound().map_or(&[], |bound| &bound.uses)
    }

    /// What a decision is bound to because of who asks.
    pub(crate) fn bind(
        &self,
        world: &World,
        standing: &Standing,
        approval: Option<&Revised<Approval>>,
        now: Timestamp,
    ) -> Result<Bound, Refusal> {
        let Some(bound) = self.bound() else { return Ok(Bound::default()) };
        let minting = bound.minting.as_ref();
        let token = minting
            .map(|minting| minting.claims(world, (standing, &bound.live.hashed), approval, now));
        let (uses, rests_on) = (bound.uses.clone(), self.rests_on());
        Ok(Bound { token: token.transpose()?, uses, rests_on })
    }

    /// The tokens of ours that it rests on.
    pub fn rests_on(&self) -> Vec<Id<AccessToken>> {
        self.bound()
            .and_then(|bound| bound.token.as_ref())
            .map(|token| token.id)
            .into_iter()
            .collect()
    }

    /// Refuses where the token it rests on is over or was taken back.
    pub(crate) fn must_still_hold(&self, world: &World, now: Timestamp) -> Result<(), Refusal> {
        let Some(token) = self.bound().and_then(|bound| bound.token.as_ref()) else {
            return Ok(());
        };
        if now < token.until && world.tokens.revoked_until(token.id).is_none() {
            return Ok(());
        }
        Err(Refusal::new(
            Code::CallerProof,
            "the token is over, or was taken back",
            "ask for another one at the token endpoint",
        ))
    }

    /// Refuses what goes beyond the token that is presented.
    pub(crate) fn must_cover(&self, operation: &Operation) -> Result<(), Refusal> {
        let token = self.bound().and_then(|bound| bound.token.as_ref());
        let Some(covers) = token.and_then(|token| token.covers.as_ref()) else { return Ok(()) };
        let is_covered = |name: &str, resource: &[String]| {
            covers.iter().any(|(known, parts)| known == name && parts == resource)
        };
        let beyond = operation.effects().find(|effect| !is_covered(effect.name, effect.resource));
        let Some(beyond) = beyond else { return Ok(()) };
        Err(Refusal::new(
            Code::BeyondToken,
            format!("the token does not cover `{beyond}`"),
            "ask for a token whose `authorization_details` name it",
        ))
    }
}
