//! What a token will say: computed on the road from facts, never copied from whoever asks.
//!
//! `act` is made here alone, from the chain of the run (RFC 8693 §4.1): the outermost actor is who
//! presents the token, and every actor has the issuer that names it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use marque_crypto::hash::sha256;
use marque_crypto::token_key::TokenAlgorithm;
use marque_domain::{
    AccessToken, Agent, AgentVersion, Approval, ApprovalState, Code, Digest, Id, Refusal, Revised,
    Timestamp, TokenRecord, canonical_bytes,
};
use marque_wire::jose::NumericDate;
use marque_wire::oauth::{
    AccessTokenClaims, Act, Actor, ApprovalReference, Authentication, AuthorizationDetails,
    Confirmation, Issuer, MayAct, Profile, Resource, RunClaim, Scope,
};

use super::status::{self, Taken};
use crate::run::Standing;
use crate::world::World;

/// What was asked for, checked as far as that goes without facts.
pub(crate) struct Minting {
    pub(super) jti: Id<AccessToken>,
    pub(super) issuer: Issuer,
    pub(super) trust_domain: String,
    pub(super) grant: &'static str,
    pub(super) client_id: String,
    pub(super) audience: Resource,
    pub(super) algorithm: TokenAlgorithm,
    pub(super) scope: Scope,
    pub(super) details: AuthorizationDetails,
    pub(super) confirmation: Option<Confirmation>,
    pub(super) ttl: Duration,
    /// The end of whatever else it must not outlive: the token it is exchanged for.
    pub(super) ends: Option<Timestamp>,
    /// The token it is exchanged for.
    pub(super) subject_token: Option<String>,
    /// How and when its person was authenticated.
    pub(super) authentication: Option<Authentication>,
    /// The agent that serves its audience: it alone may exchange the token.
    pub(super) served_by: Option<Id<Agent>>,
}

/// A token as it will be signed.
#[derive(Clone)]
pub(crate) struct Mint {
    pub(crate) claims: AccessTokenClaims,
    pub(crate) algorithm: TokenAlgorithm,
    jti: Id<AccessToken>,
    grant: &'static str,
    subject_token: Option<String>,
    /// Its place in a status list, and the key that must sign it therefore.
    taken: Option<Taken>,
}

/// The hashes of a run's mandate and of its agent's version, which each of its tokens has: made
/// anew where one of both has another revision.
#[derive(Default)]
pub(crate) struct Hashed(Mutex<Option<(Revisions, [Digest; 2])>>);

type Revisions = (u64, Id<AgentVersion>, u64);

impl Hashed {
    fn of(&self, standing: &Standing) -> Result<[Digest; 2], Refusal> {
        let (run, version) = (&standing.run, &standing.version);
        let revisions = (run.revision, version.fact.id, version.revision);
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, hashes)) = *latest
            && of == revisions
        {
            return Ok(hashes);
        }
        let hash = |bytes: Result<Vec<u8>, _>| bytes.map(|bytes| sha256(&bytes));
        let authority = hash(canonical_bytes(&run.fact.mandate)).map_err(|_| unnameable())?;
        let version = hash(canonical_bytes(&version.fact)).map_err(|_| unnameable())?;
        *latest = Some((revisions, [authority, version]));
        Ok([authority, version])
    }
}

impl Minting {
    /// The token for a run as it stands.
    pub(crate) fn claims(
        &self,
        world: &World,
        (standing, hashed): (&Standing, &Hashed),
        approval: Option<&Revised<Approval>>,
        now: Timestamp,
    ) -> Result<Box<Mint>, Refusal> {
        let run = &standing.run.fact;
        let approved_until = approval.map(|approval| approval.fact.until);
        let ends = [Some(run.expires_at), self.ends, approved_until].into_iter().flatten();
        let ends = ends.fold(now.plus(self.ttl), Timestamp::min);
        let iat = NumericDate::of(now);
        let exp = status::end_without_room(world, iat, NumericDate::of(ends));
        if exp <= iat {
            return Err(Refusal::new(
                Code::RunExpired,
                "the token would be over before it is signed",
                "open another run, or present a fresher token",
            ));
        }
        let (sub, sub_profile, act) = self.who(world, standing)?;
        let claims = AccessTokenClaims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub,
            sub_profile: Some(sub_profile),
            client_id: self.client_id.clone(),
            client_profile: Some(Profile::AiAgent),
            iat,
            nbf: iat,
            exp,
            jti: self.jti.to_string(),
            txn: run.chain.actors.first().map(|first| first.run.to_string()),
            authentication: self.authenticated(standing, approval),
            scope: self.scope.clone(),
            authorization_details: self.details.clone(),
            act,
            may_act: self.may_act(world),
            cnf: self.confirmation,
            run: Some(Self::run_claim(standing, hashed.of(standing)?, approval)?),
            status: None,
        };
        let (algorithm, grant) = (self.algorithm, self.grant);
        let subject_token = self.subject_token.clone();
        let jti = self.jti;
        Ok(Box::new(Mint { claims, algorithm, jti, grant, subject_token, taken: None }))
    }

    // How the person was authenticated for whom it is. One who approves it themselves proves who
    // they are with a factor; anybody else's approval says nothing of them.
    fn authenticated(
        &self,
        standing: &Standing,
        approval: Option<&Revised<Approval>>,
    ) -> Option<Authentication> {
        let person = standing.run.fact.chain.on_behalf_of?;
        let given = approval.and_then(|approval| match approval.fact.state {
            ApprovalState::Given { by, at } if by == person => Some(NumericDate::of(at)),
            _ => None,
        });
        let later = given.map(|auth_time| Authentication {
            auth_time,
            acr: None,
            amr: vec!["user".to_owned()],
        });
        // What an issuer says of a class would be lost; who is asked for one goes to the issuer.
        self.authentication.clone().or(later)
    }

    // RFC 8693 §4.4: whom the token is handed to, where that is an agent of ours. The exchange asks
    // for no less than that, as things are then.
    fn may_act(&self, world: &World) -> Option<MayAct> {
        let agent = world.agents.get(self.served_by?)?;
        Some(MayAct { sub: self.name_of(&agent.fact), iss: self.issuer.clone() })
    }

    fn name_of(&self, agent: &Agent) -> String {
        agent_name(&self.trust_domain, agent)
    }

    // Whose authority is used, and who acts with it. An autonomous run's agent acts as itself.
    fn who(
        &self,
        world: &World,
        standing: &Standing,
    ) -> Result<(String, Profile, Option<Act>), Refusal> {
        let chain = &standing.run.fact.chain;
        let mut names = Vec::with_capacity(chain.actors.len());
        for actor in &chain.actors {
            let agent = world.agents.get(actor.agent).ok_or_else(unnameable)?;
            names.push(self.name_of(&agent.fact));
        }
        let (sub, profile, acting) = match (chain.on_behalf_of, names.split_first()) {
            (Some(person), _) => (person.to_string(), Profile::User, &names[..]),
            (None, Some((first, others))) => (first.clone(), Profile::AiAgent, others),
            (None, None) => return Err(unnameable()),
        };
        let actor = |name: &String| Actor {
            sub: name.clone(),
            iss: self.issuer.clone(),
            sub_profile: Some(Profile::AiAgent),
        };
        Ok((sub, profile, Act::new(acting.iter().rev().map(actor).collect())))
    }

    fn run_claim(
        standing: &Standing,
        [authority, version]: [Digest; 2],
        approval: Option<&Revised<Approval>>,
    ) -> Result<RunClaim, Refusal> {
        let run = &standing.run.fact;
        let depth = u8::try_from(run.chain.actors.len()).map_err(|_| unnameable())?;
        let approvals = approval.map(|approval| ApprovalReference {
            id: approval.fact.id,
            hash: approval.fact.digest,
            exp: NumericDate::of(approval.fact.until),
        });
        Ok(RunClaim {
            id: run.id,
            parent: run.parent,
            task: run.task.clone(),
            agent_version: version,
            depth,
            authority_hash: authority,
            approvals: approvals.into_iter().collect(),
        })
    }
}

/// What a token is bound to, as text (RFC 7800 §3.1, RFC 9449 §6.1, RFC 8705 §3.1).
pub(super) fn bound_to(confirmation: Confirmation) -> String {
    match confirmation {
        Confirmation::Key(key) => format!("jkt:{key}"),
        Confirmation::Certificate(certificate) => format!("x5t#S256:{certificate}"),
    }
}

/// What an agent is called in tokens: the same in every run.
pub(super) fn agent_name(trust_domain: &str, agent: &Agent) -> String {
    format!("spiffe://{trust_domain}/agent/{}", agent.name)
}

impl Mint {
    /// Its id.
    pub(super) fn jti(&self) -> Id<AccessToken> {
        self.jti
    }

    /// The same in a status list, where it has a place in one.
    pub(crate) fn placed(mut self: Box<Self>, taken: Option<Taken>) -> Box<Self> {
        self.claims.status = taken.and_then(|taken| taken.reference(&self.claims.iss));
        self.taken = taken;
        self
    }

    /// Whether the key of that name may sign it: with a place it is listed with its key, and what
    /// lives long has a place.
    pub(crate) fn is_for_key(&self, kid: &str) -> bool {
        let is_placed = self.claims.status.is_some();
        let is_its_key = self.taken.is_none_or(|taken| taken.is_by(kid));
        is_its_key && (is_placed || !status::needs_place(&self.claims))
    }

    /// What the log keeps of it.
    pub(crate) fn record(&self) -> TokenRecord {
        let claims = &self.claims;
        let details = &claims.authorization_details;
        let hashed = || sha256(details.to_json().to_string().as_bytes());
        TokenRecord {
            id: self.jti,
            grant: self.grant.to_owned(),
            client: claims.client_id.clone(),
            audience: claims.aud.as_str().to_owned(),
            subject: claims.sub.clone(),
            scope: claims.scope.to_string(),
            details: (!details.is_empty()).then(hashed),
            bound_to: claims.cnf.map(bound_to),
            subject_token: self.subject_token.clone(),
            expires_at: claims.exp.timestamp(),
        }
    }
}

fn unnameable() -> Refusal {
    Refusal::new(
        Code::RunClosed,
        "an agent of the run's chain is not known any more",
        "start the command again with `marque run`",
    )
}
