//! What a token will say: computed on the road from facts, never copied from whoever asks.
//!
//! `act` is made here alone, from the chain of the run (RFC 8693 §4.1): the outermost actor is who
//! presents the token, and every actor has the issuer that names it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use marque_crypto::hash::sha256;
use marque_crypto::token_key::TokenAlgorithm;
use marque_domain::{
    AccessToken, AgentVersion, Approval, Code, Digest, Id, Refusal, Revised, Timestamp,
    TokenRecord, canonical_bytes,
};
use marque_wire::jose::NumericDate;
use marque_wire::oauth::{
    AccessTokenClaims, Act, Actor, ApprovalReference, AuthorizationDetails, Confirmation, Issuer,
    Profile, Resource, RunClaim, Scope,
};

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
}

/// A token as it will be signed.
#[derive(Clone)]
pub(crate) struct Mint {
    pub(crate) claims: AccessTokenClaims,
    pub(crate) algorithm: TokenAlgorithm,
    jti: Id<AccessToken>,
    grant: &'static str,
    subject_token: Option<String>,
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
        let (iat, exp) = (NumericDate::of(now), NumericDate::of(ends));
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
            authentication: None,
            scope: self.scope.clone(),
            authorization_details: self.details.clone(),
            act,
            may_act: None,
            cnf: self.confirmation,
            run: Some(Self::run_claim(standing, hashed.of(standing)?, approval)?),
            status: None,
        };
        let (algorithm, grant) = (self.algorithm, self.grant);
        let subject_token = self.subject_token.clone();
        Ok(Box::new(Mint { claims, algorithm, jti: self.jti, grant, subject_token }))
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
            names.push(format!("spiffe://{}/agent/{}", self.trust_domain, agent.fact.name));
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

impl Mint {
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
            bound_to: claims.cnf.map(|confirmation| match confirmation {
                Confirmation::Key(key) => format!("jkt:{key}"),
                Confirmation::Certificate(certificate) => format!("x5t#S256:{certificate}"),
            }),
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
