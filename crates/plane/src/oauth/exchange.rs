//! Token exchange (RFC 8693): one hop of a chain. What is asked for lies inside the token that is
//! exchanged, and who presents it acts for its run in a child run of it: nothing ever widens.
//!
//! An actor token is needed always. Without one it would be impersonation (RFC 8693 §1.1), which no
//! agent may do (threat 50).

use std::sync::Arc;

use marque_crypto::Secret;
use marque_crypto::hash::sha256;
use marque_domain::{AccessToken, Digest, Id, Run, Timestamp};
use marque_wire::jose::{NumericDate, TokenClass, Unverified};
use marque_wire::oauth::{
    AccessTokenClaims, Audience, Authentication, ClientAssertion, ErrorCode, Exchange, TokenType,
};

use super::answer::Refused;
use super::ask::OAuthSettings;
use super::bound::Use;
use super::details::are_within;
use super::mint::agent_name;
use super::proof::Possession;
use super::service::Wish;
use super::target::{self, is_by_gateway};
use crate::live::LiveRun;
use crate::plane::Plane;
use crate::verbs::runs::detached::Hop;
use crate::world::World;

/// A subject token that holds.
pub(super) struct Exchanged {
    /// It, if it is one of ours.
    pub(super) own: Option<Id<AccessToken>>,
    /// Its name.
    pub(super) jti: String,
    pub(super) until: Timestamp,
    /// How and when its person was authenticated.
    pub(super) authentication: Option<Authentication>,
}

/// Who presents it.
pub(super) struct Presenter<'a> {
    /// The run it acts in; none yet where a person's token opens it.
    pub(super) live: Option<Arc<LiveRun>>,
    pub(super) client_id: &'a str,
    pub(super) possession: &'a Possession,
    /// The assertion that proved it, by its hash, and its use.
    pub(super) shown: Option<(Digest, Use)>,
}

/// An actor token that holds.
pub(super) struct ActorToken {
    pub(super) uses: Option<Use>,
    // Of an access token. An assertion says who is here now, and is good once: what it proves does
    // not end with it.
    until: Option<Timestamp>,
}

impl ActorToken {
    /// That moment, or the end of this token if it is sooner: what is exchanged outlives neither.
    pub(super) fn ends(&self, subject_ends: Timestamp) -> Timestamp {
        self.until.map_or(subject_ends, |until| until.min(subject_ends))
    }
}

impl Plane {
    /// Checks both tokens of an exchange, and that what is asked for lies inside the first.
    pub(super) fn exchange(
        &self,
        settings: &OAuthSettings,
        (asked, wish): (&Exchange, &Wish),
        presenter: &Presenter<'_>,
    ) -> Result<(Exchanged, Hop, Option<Use>), Refused> {
        let wrong = |what| Refused::of(ErrorCode::InvalidRequest, what);
        let actor = self.actor_of(settings, asked, presenter)?;
        if asked.subject_token_type != TokenType::AccessToken {
            return Err(wrong("the `subject_token` is of a type that is not accepted"));
        }
        let world = self.world();
        let bad = || wrong("the `subject_token` does not hold");
        let subject = self.verified(&asked.subject_token).ok_or_else(bad)?;
        let subject = subject.claims();
        let run = subject.run.as_ref().map(|run| run.id).ok_or_else(bad)?;
        let jti: Id<AccessToken> = subject.jti.parse().map_err(|_| bad())?;
        if world.runs.get(run).is_none_or(|run| !run.fact.is_open(self.now())) {
            return Err(bad());
        }
        self.must_be_for(&world, settings, (subject, presenter))?;
        must_be_within(&world, settings, (wish, subject))?;
        let until = actor.ends(subject.exp.timestamp());
        let presenting = presenter.live.as_ref().ok_or_else(bad)?.run;
        let hop = Hop { subject: run, presenter: presenting };
        let exchanged = Exchanged {
            own: Some(jti),
            jti: subject.jti.clone(),
            until,
            authentication: subject.authentication.clone(),
        };
        Ok((exchanged, hop, actor.uses))
    }

    /// Checks who acts, and that an access token is asked for.
    pub(super) fn actor_of(
        &self,
        settings: &OAuthSettings,
        asked: &Exchange,
        presenter: &Presenter<'_>,
    ) -> Result<ActorToken, Refused> {
        let wrong = |what| Refused::of(ErrorCode::InvalidRequest, what);
        if asked.requested_token_type != TokenType::AccessToken {
            return Err(wrong("only access tokens are issued here"));
        }
        let Some((actor_token, actor_type)) = &asked.actor else {
            return Err(wrong("an `actor_token` is needed: nobody acts under another's name"));
        };
        self.must_be_actor(settings, (actor_token, *actor_type), presenter)
    }

    // The actor token is of whoever authenticated, and of nobody else (RFC 8693 §2.1).
    fn must_be_actor(
        &self,
        settings: &OAuthSettings,
        (token, kind): (&Secret, TokenType),
        presenter: &Presenter<'_>,
    ) -> Result<ActorToken, Refused> {
        let bad = || Refused::of(ErrorCode::InvalidRequest, "the `actor_token` does not hold");
        let world = self.world();
        match kind {
            TokenType::AccessToken => {
                let claims = self.verified(token).ok_or_else(bad)?;
                let claims = claims.claims();
                let own = presenter.live.as_ref().map(|live| live.run);
                let is_own = own.is_some() && claims.run.as_ref().map(|run| run.id) == own;
                let is_bound =
                    claims.cnf.is_some() && claims.cnf == presenter.possession.confirmation;
                if !is_own || !is_bound {
                    return Err(bad());
                }
                Ok(ActorToken { uses: None, until: Some(claims.exp.timestamp()) })
            }
            TokenType::Jwt => {
                // The very assertion that just proved the client holds.
                if let Some((hash, uses)) = presenter.shown
                    && hash == sha256(token.expose())
                {
                    return Ok(ActorToken { uses: Some(uses), until: None });
                }
                let read = Unverified::parse(TokenClass::ClientAssertion, token.expose());
                let unverified = read.map_err(|_| bad())?;
                let keys = presenter.client_id.parse().ok();
                let keys = keys.and_then(|client| world.tokens.keys_of_client(client));
                let own = presenter.live.as_ref();
                let keys = keys.or_else(|| world.tokens.keys_of_run(own?.run));
                let (kid, algorithm) = (unverified.key_id(), unverified.algorithm());
                let key = keys.and_then(|keys| keys.find(kid, algorithm)).ok_or_else(bad)?;
                let verified = unverified.verify(key).map_err(|_| bad())?;
                let (audience, now) = (Audience::Issuer(&settings.issuer), self.now());
                let read = ClientAssertion::read(
                    verified,
                    presenter.client_id,
                    audience,
                    NumericDate::of(now),
                );
                let held = read.map_err(|_| bad())?;
                let until = held.exp.timestamp();
                let uses = Use::of("assertion", presenter.client_id, &held.jti, until);
                Ok(ActorToken { uses: Some(uses), until: None })
            }
            _ => Err(Refused::of(
                ErrorCode::InvalidRequest,
                "the `actor_token` is of a type that is not accepted",
            )),
        }
    }

    // The subject token came for what the presenter's agent serves, or for this server (threat 49).
    fn must_be_for(
        &self,
        world: &World,
        settings: &OAuthSettings,
        (subject, presenter): (&AccessTokenClaims, &Presenter<'_>),
    ) -> Result<(), Refused> {
        let presenting = presenter.live.as_ref().and_then(|live| world.runs.get(live.run));
        let run: Option<&Run> = presenting.map(|run| &run.fact);
        let agent = run.map(|run| run.agent);
        let connection = target::connection_of(world, settings, subject.aud.as_str());
        let served_by =
            connection.and_then(|found| found.fact.tokens.as_ref().and_then(|to| to.served_by));
        let is_named = subject.may_act.as_ref().is_none_or(|may| {
            let own = agent.and_then(|agent| world.agents.get(agent));
            own.is_some_and(|own| {
                may.iss == settings.issuer && may.sub == agent_name(self.trust_domain(), &own.fact)
            })
        });
        if served_by.is_some() && served_by == agent && is_named {
            return Ok(());
        }
        Err(Refused::of(ErrorCode::InvalidRequest, "the `subject_token` was not for this client"))
    }

    /// A token of ours that holds now: its signature, its time, its run, and that nobody took it
    /// back. Its audience is for the caller to look at.
    pub(super) fn read_own(
        &self,
        world: &World,
        settings: &OAuthSettings,
        token: &Secret,
    ) -> Option<AccessTokenClaims> {
        let now = self.now();
        let unverified = Unverified::parse(TokenClass::AccessToken, token.expose()).ok()?;
        let key = world.tokens.keys()?.find(unverified.key_id()?, now)?;
        let claims = AccessTokenClaims::read(unverified.verify_ours(key).ok()?).ok()?;
        let is_good = claims.iss == settings.issuer
            && now < claims.exp.timestamp()
            && claims.jti.parse().is_ok_and(|jti| world.tokens.revoked_until(jti).is_none());
        is_good.then_some(claims)
    }
}

// Nothing that the subject token does not have (threat 39).
fn must_be_within(
    world: &World,
    settings: &OAuthSettings,
    (wish, subject): (&Wish, &AccessTokenClaims),
) -> Result<(), Refused> {
    if !wish.scope.is_within(&subject.scope) {
        let description = "the scope is more than the subject token has";
        return Err(Refused::of(ErrorCode::InvalidScope, description));
    }
    if !are_within(&wish.details, &subject.authorization_details) {
        let description = "the details are more than the subject token has";
        return Err(Refused::of(ErrorCode::InvalidAuthorizationDetails, description));
    }
    // A token for the gateway without details has all of its run's mandate; only such a one may
    // become one.
    let takes_all = wish.details.is_empty() && is_by_gateway(&wish.target.connection.fact);
    let has_all = subject.authorization_details.is_empty()
        && target::connection_of(world, settings, subject.aud.as_str())
            .is_some_and(|found| found.fact.id == wish.target.connection.fact.id);
    if takes_all && !has_all {
        let description = "the subject token is bound to less: name the details";
        return Err(Refused::of(ErrorCode::InvalidAuthorizationDetails, description));
    }
    Ok(())
}
