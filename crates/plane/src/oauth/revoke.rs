//! Taking tokens back (RFC 7009): by token here, and by run, agent and owner with `kill`.
//!
//! What was exchanged for a token of the same run ends with it: a child does not outlive what it
//! came of (threat 46).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use marque_crypto::machine;
use marque_domain::{AccessToken, Closing, Digest, Event, Id, Run, Timestamp, User, Verb};
use marque_wire::oauth::IntrospectionRequest;

use super::answer::{Asked, Refused};
use super::ask::EndpointAsk;
use super::bound::Use;
use super::client::{Asker, Credentials, unproven};
use super::deferred::cancel;
use super::early::{self, Gathered};
use crate::caller::Acting;
use crate::error::AdminError;
use crate::failure::Failure;
use crate::plane::Plane;
use crate::record;
use crate::sequence::Durability;
use crate::step::Step;
use crate::verbs::runs::close_tree;
use crate::verbs::{Detailed as _, changed};

impl Plane {
    /// Answers the revocation endpoint: a token that is not known, over, or not the asker's is
    /// answered like one that was taken back (RFC 7009 §2.2).
    pub async fn revoke(
        &self,
        ask: &EndpointAsk,
        request: &IntrospectionRequest,
    ) -> Result<(), Refused> {
        let settings = self.oauth().ok_or_else(unproven)?.clone();
        self.must_hear().map_err(|refusal| Refused::by_road(refusal, Asked::Nothing))?;
        let client_id = request.client_id.as_deref();
        let credentials = Credentials { client_id, proof: &request.client_proof, ask };
        let refused = early::at(&settings, "revoke");
        let authenticated = match self.authenticate(&settings, &credentials) {
            Ok(authenticated) => authenticated,
            Err(unproven) => {
                return Err(self.refuse_early(&refused, Gathered::default(), unproven).await);
            }
        };
        let gathered = Gathered::of(&authenticated, authenticated.known(&self.world()));
        // A resource server may ask about a token and not end it (RFC 7009 §2.1).
        let is_owner = !matches!(authenticated.asker, Asker::Resource(_));
        let seen = self.active(&settings, &authenticated, &request.token).filter(|_| is_owner);
        let token = seen.and_then(|seen| {
            let run = seen.claims.run.as_ref()?.id;
            Some((seen.id, run, seen.claims.exp.timestamp()))
        });
        let endpoint = settings.endpoint("revoke");
        let possession = match self.possession_of(ask, &endpoint) {
            Ok(possession) => possession,
            Err(unheld) => return Err(self.refuse_early(&refused, gathered, unheld).await),
        };
        let code = machine::hash(self.machine_key(), request.token.expose());
        let uses: Vec<Use> = authenticated.uses.into_iter().chain(possession.uses).collect();
        let (by, confirmation) = (authenticated.client_id, possession.confirmation);
        let done = self.sequencer().submit(Durability::Disk, move |step| {
            if !uses.iter().all(|one| step.use_once(one.digest, one.until).is_ok()) {
                return Ok(false);
            }
            cancel(step, code, (&by, confirmation));
            if let Some((token, run, until)) = token {
                take_back(step, (token, run, until))?;
                step.append(revoked(token, run, &by))?;
            }
            Ok::<_, Failure>(true)
        });
        match done.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.refuse_early(&refused, gathered, again()).await),
            Err(failure) => Err(Refused::by_road(record::unwritable(&failure), Asked::Nothing)),
        }
    }

    /// A human takes a token back, by its name: the `jti`, as the log and `token inspect` show it.
    pub async fn revoke_token(
        &self,
        who: &Acting<User>,
        (token, run): (Id<AccessToken>, Id<Run>),
    ) -> Result<(), AdminError> {
        let by = Self::by(who);
        self.change(who, move |step| {
            if step.world.runs.get(run).is_none() {
                return Err(AdminError::not_found("run", &run.to_string(), "marque run list"));
            }
            // No token is good for longer.
            let until = step.now.plus(Duration::from_secs(marque_wire::oauth::LIFETIME_MAX_SECS));
            take_back(step, (token, run, until))?;
            let entry = changed(Verb::TokenRevoked, &by, None, token);
            step.append(entry.detail("run", run).event())?;
            Ok(())
        })
        .await
    }

    /// Uses up what proved a client where no decision does. It is remembered a moment later, in the
    /// store as well; until then this server remembers it itself.
    pub(super) fn use_up(&self, uses: &[Use]) -> Result<(), Refused> {
        uses.iter().try_for_each(|one| self.use_one(*one))
    }

    fn use_one(&self, one: Use) -> Result<(), Refused> {
        let now = self.now();
        // ORDER: taken first. What was committed meanwhile is in the world that is looked at then.
        let is_taken = self
            .inner()
            .asserted
            .take(one, now, &|digest| self.world().tokens.used_until(digest).is_some());
        if !is_taken || self.world().tokens.must_be_new(one.digest, now).is_err() {
            return Err(again());
        }
        let keep = move |step: &mut Step<'_, '_>| {
            // Used at another server meanwhile: nothing that was told can be taken back.
            let _again = step.use_once(one.digest, one.until);
            Ok::<_, Failure>(())
        };
        let plane = self.clone();
        self.leave(keep, move |_overloaded| {
            let later = plane.clone();
            plane.spawn(async move {
                let kept = later.sequencer().submit_patiently(Durability::Read, keep).await;
                kept.unwrap_or_else(|failure| {
                    tracing::warn!(%failure, "an assertion is remembered by this server alone");
                });
            });
        });
        Ok(())
    }
}

/// What was used up, for as long as it may not be in the store yet.
#[derive(Default)]
pub(crate) struct Asserted(Mutex<std::collections::HashMap<Digest, Timestamp>>);

/// Most of them: beyond that nobody new is answered (threat 63).
const ASSERTED_MAX: usize = 10_000;

impl Asserted {
    fn take(&self, one: Use, now: Timestamp, is_kept: &dyn Fn(Digest) -> bool) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= ASSERTED_MAX {
            // Those whose write failed stay.
            known.retain(|digest, until| now < *until && !is_kept(*digest));
        }
        if known.len() >= ASSERTED_MAX {
            return false;
        }
        known.insert(one.digest, one.until).is_none()
    }
}

// On the wire it reads as any other that proves nothing.
fn again() -> Refused {
    Refused { refusal: Some(Box::new(record::replayed())), ..unproven() }
}

fn take_back(
    step: &mut Step<'_, '_>,
    (token, run, until): (Id<AccessToken>, Id<Run>, Timestamp),
) -> Result<(), Failure> {
    step.revoke_token(token, until);
    let hops = step.world.children_of(run).filter(|child| child.fact.presenter().is_some());
    let hops: Vec<Id<Run>> = hops.map(|child| child.fact.id).collect();
    for hop in hops {
        close_tree(step, hop, Closing::Killed, None)?;
    }
    Ok(())
}

fn revoked(token: Id<AccessToken>, run: Id<Run>, by: &str) -> Event {
    Event::TokenRevoked { token, run, by: by.to_owned() }
}
