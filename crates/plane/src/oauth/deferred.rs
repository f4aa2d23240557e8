//! Requests that a human must answer first, from clients that come again for the answer
//! (draft-ietf-oauth-deferred-token-response).
//!
//! A code stands for one request as it was made: whoever comes with it says nothing new, proves to
//! be who made it, and holds the same key. The road is walked when the human has answered, with
//! the facts of that moment; the code widens nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use marque_crypto::machine::{self, MachineSecret};
use marque_crypto::{Secret, SystemRandom};
use marque_domain::{AccessToken, Approval, ApprovalState, Digest, Id, Run, Timestamp};
use marque_wire::oauth::{
    AuthorizationDetails, Confirmation, ErrorCode, GRANT_TYPES, Resource, Scope, TokenRequest,
};
use serde::{Deserialize, Serialize};

use super::answer::{Deferred, Refused};
use super::bound::{Spent, Use};
use super::client::Authenticated;
use super::exchange::Exchanged;
use super::proof::Possession;
use super::service::{Holder, Proven};
use crate::failure::Failure;
use crate::live::LiveRun;
use crate::plane::Plane;
use crate::sequence::Durability;
use crate::step::Step;

/// How long a client waits before it asks again, in seconds.
pub const INTERVAL_SECS: u32 = 5;
/// Asked a little early is not asked too often: clocks and networks are not exact.
const LENIENCY: Duration = Duration::from_secs(1);
/// Most codes whose last question is remembered at once.
const PACED_MAX: usize = 10_000;

/// A request that waits for a human.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deferral {
    /// What the human was asked.
    approval: Id<Approval>,
    until: Timestamp,
    is_cancelled: bool,
    request: Said,
}

/// A request as it was made, as far as it counts later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    /// The run that will hold the token.
    run: Id<Run>,
    client_id: String,
    /// Whether the client proved itself; who did not is known by its key alone.
    is_proven: bool,
    grant: String,
    resource: String,
    scope: String,
    details: Option<String>,
    bound_to: Option<(BoundBy, Digest)>,
    subject: Option<Subject>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BoundBy {
    Key,
    Certificate,
}

/// The token that was to be exchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Subject {
    own: Option<Id<AccessToken>>,
    jti: String,
    until: Timestamp,
}

/// What a code stands for, once a human has said yes.
pub(super) struct Continued {
    pub(super) grant: &'static str,
    pub(super) resource: Resource,
    pub(super) scope: Scope,
    pub(super) details: AuthorizationDetails,
    pub(super) holder: Holder,
    /// The code, which is good for one token.
    pub(super) uses: Use,
}

impl Said {
    /// A request whose client comes again; `None` of any other, and where nothing would prove that
    /// it is the same one who comes.
    pub(super) fn of(request: &TokenRequest, proven: &Proven) -> Option<Self> {
        let Proven { wish, holder, possession, grant, is_client } = proven;
        let bound_to = possession.confirmation.map(bound_by);
        if !request.may_be_deferred || (!is_client && bound_to.is_none()) {
            return None;
        }
        let subject = holder.exchanged.as_ref().map(|exchanged| Subject {
            own: exchanged.own,
            jti: exchanged.jti.clone(),
            until: exchanged.until,
        });
        Some(Self {
            run: holder.live.run,
            client_id: holder.client_id.clone(),
            is_proven: *is_client,
            grant: (*grant).to_owned(),
            resource: wish.target.audience.as_str().to_owned(),
            scope: wish.scope.to_string(),
            details: (!wish.details.is_empty()).then(|| wish.details.to_json().to_string()),
            bound_to,
            subject,
        })
    }

    // Who comes is who was sent away: the same client, or where none was proven, the same key.
    fn is_of(&self, authenticated: Option<&Authenticated>) -> bool {
        match authenticated {
            Some(client) => self.is_proven && client.client_id == self.client_id,
            None => !self.is_proven,
        }
    }

    fn continued(&self, live: Arc<LiveRun>, uses: Use) -> Option<Continued> {
        let details = self.details.as_deref().map(AuthorizationDetails::parse).transpose().ok()?;
        let scope = (!self.scope.is_empty()).then(|| Scope::parse(&self.scope)).transpose().ok()?;
        let exchanged = self.subject.as_ref().map(|subject| Exchanged {
            own: subject.own,
            jti: subject.jti.clone(),
            until: subject.until,
        });
        Some(Continued {
            grant: GRANT_TYPES.into_iter().find(|known| *known == self.grant)?,
            resource: Resource::parse(&self.resource).ok()?,
            scope: scope.unwrap_or_default(),
            details: details.unwrap_or_default(),
            holder: Holder { live, client_id: self.client_id.clone(), exchanged },
            uses,
        })
    }
}

impl Deferral {
    /// When the code is over.
    pub(crate) fn until(&self) -> Timestamp {
        self.until
    }
}

fn bound_by(confirmation: Confirmation) -> (BoundBy, Digest) {
    match confirmation {
        Confirmation::Key(key) => (BoundBy::Key, Digest::from_bytes(*key.as_bytes())),
        Confirmation::Certificate(hash) => {
            (BoundBy::Certificate, Digest::from_bytes(*hash.as_bytes()))
        }
    }
}

impl Plane {
    /// Remembers a request that is held, and names the code to come again with. Without room, or
    /// if that cannot be written, the client is answered like one that does not come again.
    pub(super) async fn defer(&self, approval: Id<Approval>, request: Said) -> Option<Deferred> {
        let code = MachineSecret::generate(&SystemRandom).expose_text();
        let digest = machine::hash(self.machine_key(), code.as_bytes());
        let done = self.sequencer().submit(Durability::Disk, move |step| {
            let asked = step.world.approvals.get(approval).map(|asked| asked.fact.until);
            let expires = step.world.runs.get(request.run).map(|run| run.fact.expires_at);
            let subject = request.subject.as_ref().map(|subject| subject.until);
            let (Some(asked), Some(expires)) = (asked, expires) else { return Ok(None) };
            let until = subject.into_iter().fold(asked.min(expires), Timestamp::min);
            if !step.world.deferrals.has_room(step.now) || until <= step.now {
                return Ok(None);
            }
            let request = request.clone();
            step.defer(digest, Deferral { approval, until, is_cancelled: false, request });
            Ok::<_, Failure>(Some(until.since(step.now)))
        });
        let left = done.await.ok().flatten()?;
        let code = Secret::from_string(code.to_string());
        Some(Deferred { code, expires_in_secs: left.as_secs(), interval_secs: INTERVAL_SECS })
    }

    /// How the request of a code stands: what it was, once a human has said yes; else a refusal.
    pub(super) fn continued(
        &self,
        code: &Secret,
        (authenticated, possession): (Option<&Authenticated>, &Possession),
    ) -> Result<Continued, Refused> {
        let digest = machine::hash(self.machine_key(), code.expose());
        let (world, now) = (self.world(), self.now());
        // A code that is not known reads like one of somebody else's.
        let unknown = || Refused::of(ErrorCode::InvalidGrant, "the deferral code is not known");
        let deferral = world.deferrals.get(digest).ok_or_else(unknown)?;
        let said = &deferral.request;
        if !said.is_of(authenticated) {
            return Err(unknown());
        }
        if said.bound_to != possession.confirmation.map(bound_by) {
            return Err(Refused::of(
                ErrorCode::InvalidDpopProof,
                "the deferral code is bound to another key",
            ));
        }
        let uses = Use::of("deferral", &said.client_id, &digest.to_string(), deferral.until);
        let uses = uses.spent(Spent::WhenAllowed);
        if world.tokens.used_until(uses.digest).is_some() {
            return Err(Refused::of(ErrorCode::InvalidGrant, "the code has had its token"));
        }
        if now >= deferral.until {
            return Err(Refused::of(ErrorCode::ExpiredToken, "the deferral code is over"));
        }
        if !self.inner().polls.admit(digest, self.clock().elapsed()) {
            return Err(Refused::of(ErrorCode::SlowDown, "asked again too soon"));
        }
        let denied = || Refused::of(ErrorCode::AccessDenied, "the request was denied");
        let approval = world.approvals.get(deferral.approval).ok_or_else(denied)?;
        if deferral.is_cancelled {
            return Err(denied());
        }
        match approval.fact.state {
            ApprovalState::Asked => Err(Refused::of(
                ErrorCode::AuthorizationPending,
                "a human was asked and has not answered",
            )),
            ApprovalState::Given { .. } => {
                let live = world.live(said.run).cloned().ok_or_else(denied)?;
                said.continued(live, uses).ok_or_else(denied)
            }
            _ => Err(denied()),
        }
    }
}

/// Takes a code back, so that it fetches nothing any more
/// (draft-ietf-oauth-deferred-token-response section 8.2). One that is not the asker's is left.
pub(super) fn cancel(
    step: &mut Step<'_, '_>,
    code: Digest,
    (client_id, bound_to): (&str, Option<Confirmation>),
) {
    let Some(known) = step.world.deferrals.get(code) else { return };
    let said = &known.request;
    let is_own = said.is_proven && said.client_id == client_id;
    // Whoever is bound to a key takes it back with that key as well (section 11.1).
    let is_bound = said.bound_to == bound_to.map(bound_by);
    if is_own && is_bound {
        let cancelled = Deferral { is_cancelled: true, ..Deferral::clone(known) };
        step.defer(code, cancelled);
    }
}

/// When each code was asked about last, at this server.
#[derive(Default)]
pub(crate) struct Polls(Mutex<HashMap<Digest, Duration>>);

impl Polls {
    /// Whether a code may be asked about now; if so, that is the last time it was.
    fn admit(&self, code: Digest, now: Duration) -> bool {
        let pause = Duration::from_secs(INTERVAL_SECS.into()).saturating_sub(LENIENCY);
        let is_recent = |at: &Duration| now.saturating_sub(*at) < pause;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(&code).is_some_and(is_recent) {
            return false;
        }
        if known.len() >= PACED_MAX {
            known.retain(|_, at| is_recent(at));
        }
        if known.len() >= PACED_MAX {
            return false;
        }
        known.insert(code, now);
        true
    }
}
