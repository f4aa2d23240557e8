//! Who calls, as a handler sees it.

use std::sync::Arc;

use marque_wire::jose::NumericDate;
use marque_wire::oauth::{
    AccessTokenClaims, Act, Actor, AuthorizationDetail, RunClaim, Scope, StepUp,
};

use crate::refusal::{Reason, Refusal, Voice};

/// A verified caller: whose authority is used, who presents it, in which run.
///
/// Only [`crate::Verifier`] makes one, so that whoever has it need not look again. It says who
/// calls and what the token allows, not that the call is wise.
#[derive(Debug, Clone)]
pub struct Caller {
    claims: Arc<AccessTokenClaims>,
    is_proven: bool,
    now: NumericDate,
    voice: Arc<Voice>,
}

impl Caller {
    pub(crate) fn new(
        claims: AccessTokenClaims,
        is_proven: bool,
        now: NumericDate,
        voice: &Arc<Voice>,
    ) -> Self {
        Self { claims: Arc::new(claims), is_proven, now, voice: Arc::clone(voice) }
    }

    /// Whose authority is used: a person's, or the agent's own.
    pub fn subject(&self) -> &str {
        &self.claims.sub
    }

    /// Who presents the token: the outermost actor. `None` where the subject itself does.
    pub fn actor(&self) -> Option<&Actor> {
        self.claims.act.as_ref().map(Act::presenter)
    }

    /// The name of who presents the token: [`Caller::actor`]'s, else [`Caller::subject`].
    pub fn presenter(&self) -> &str {
        self.actor().map_or(self.subject(), |actor| &actor.sub)
    }

    /// All actors, the presenter first. The others are history, to be recorded and not to decide
    /// by (RFC 8693 section 4.1).
    pub fn actors(&self) -> &[Actor] {
        self.claims.act.as_ref().map_or(&[], Act::actors)
    }

    /// In which run. `None` for a registered workload, which has none.
    pub fn run(&self) -> Option<&RunClaim> {
        self.claims.run.as_ref()
    }

    /// What the token allows, coarsely.
    pub fn scope(&self) -> &Scope {
        &self.claims.scope
    }

    /// What the token allows in detail, of one type (RFC 9396). A field of it that you do not know
    /// may narrow it: refuse such a detail rather than pass over the field.
    pub fn details<'a>(&'a self, kind: &str) -> impl Iterator<Item = &'a AuthorizationDetail> {
        let details = self.claims.authorization_details.as_slice().iter();
        details.filter(move |detail| detail.kind == kind)
    }

    /// All claims.
    pub fn claims(&self) -> &AccessTokenClaims {
        &self.claims
    }

    /// Whether the caller proved to hold the key or certificate that the token is bound to. Always
    /// so, unless the verifier accepts bearer tokens.
    pub fn is_proven(&self) -> bool {
        self.is_proven
    }

    /// Fails unless the token has every scope of `needed`.
    ///
    /// # Errors
    /// A [`Refusal`] with 403 `insufficient_scope` that names `needed`.
    pub fn require_scope(&self, needed: &Scope) -> Result<(), Refusal> {
        if needed.is_within(&self.claims.scope) {
            return Ok(());
        }
        Err(self.refuse(Reason::Scope(needed.clone())))
    }

    /// Fails unless the token has a detail of this type that `fits`.
    ///
    /// # Errors
    /// A [`Refusal`] with 403 `insufficient_scope`. It names no scope: none would be enough.
    pub fn require_detail(
        &self,
        kind: &str,
        fits: impl Fn(&AuthorizationDetail) -> bool,
    ) -> Result<&AuthorizationDetail, Refusal> {
        let detail = self.details(kind).find(|detail| fits(detail));
        detail.ok_or_else(|| self.refuse(Reason::Scope(Scope::default())))
    }

    /// Fails unless the person was authenticated so (RFC 9470).
    ///
    /// # Errors
    /// A [`Refusal`] with 401 `insufficient_user_authentication` that says what would be enough.
    pub fn require_authentication(&self, step_up: &StepUp) -> Result<(), Refusal> {
        if step_up.holds(&self.claims, self.now) {
            return Ok(());
        }
        Err(self.refuse(Reason::StepUp(step_up.clone())))
    }

    fn refuse(&self, reason: Reason) -> Refusal {
        Refusal::new(reason, &self.voice)
    }
}
