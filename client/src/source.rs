//! The tokens of a run: fetched, kept, fetched again before they end, and set on requests.
//!
//! A source is for one resource, so that a token never goes where it is not for. It proves itself
//! by an assertion of its client's key, and binds what it gets to a key that no one else has.

mod builder;
mod mint;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Request};
use marque_crypto::{CryptoError, Secret};
use marque_wire::jose::NumericDate;
use marque_wire::oauth::{
    AuthorizationDetails, Htu, ProofDraft, ReceivedRefusal, Resource, Scope, TokenType,
    access_token_hash,
};
use thiserror::Error;

pub use builder::TokenSourceBuilder;
use mint::{Ask, Ground, Minter};

use crate::client_key::fresh_name;
use crate::http::FetchError;
use crate::kept::{Absent, Kept, Problem};

/// How often a token is asked for at most, where the one before is good.
const PAUSE: Duration = Duration::from_secs(1);
/// How often while a human is asked, where the server does not say (RFC 8628 section 3.2).
const PENDING_PAUSE: Duration = Duration::from_secs(5);

/// Why there is no token, or none for this request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The server cannot be asked.
    #[error(transparent)]
    Unavailable(#[from] FetchError),
    /// The server says no, or not yet.
    #[error(transparent)]
    Refused(#[from] TokenRefusal),
    /// The request goes to another place than the resource that the tokens are for.
    #[error("`{0}` is not where this source's tokens are for; make another source for it")]
    Elsewhere(String),
    /// The token is not bound to our key, though it should be.
    #[error("the server issued a token that is bound to no key; it is not used")]
    Unbound,
    /// The library failed, or there is nothing that could be signed.
    #[error("no proof can be made: {0}")]
    Proof(String),
}

/// What the token endpoint answered instead of a token (RFC 6749 section 5.2).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the token is refused: `{error}`{}", told(.description.as_ref(), .approval.as_ref()))]
pub struct TokenRefusal {
    /// The status.
    pub status: u16,
    /// The code, as it came.
    pub error: String,
    /// What the server says of it.
    pub description: Option<String>,
    /// The approval that the request waits for, where a human is asked. Ask for the token again:
    /// the source passes that on at most once in each [`TokenRefusal::interval`].
    pub approval: Option<String>,
    /// How long to wait before the same is asked again, where the server says so.
    pub interval: Option<Duration>,
}

fn told(description: Option<&String>, approval: Option<&String>) -> String {
    let description = description.map(|text| format!(", {text}")).unwrap_or_default();
    let approval = approval.map(|id| format!("; it waits for the approval `{id}`"));
    description + &approval.unwrap_or_default()
}

impl TokenRefusal {
    /// Whether a human is asked, so that the same request may be answered later.
    pub fn is_pending(&self) -> bool {
        self.approval.is_some() || matches!(&*self.error, "authorization_pending" | "slow_down")
    }

    fn of(status: u16, refusal: ReceivedRefusal) -> Self {
        let ReceivedRefusal { error, description, approval, interval_secs } = refusal;
        let interval = interval_secs.map(Duration::from_secs);
        Self { status, error, description, approval, interval }
    }
}

impl Problem for TokenError {
    fn pause(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) if refusal.is_pending() => {
                Some(refusal.interval.unwrap_or(PENDING_PAUSE))
            }
            _ => None,
        }
    }
}

/// What a token stands for that another one is exchanged for (RFC 8693 section 2.1). No `Debug`.
pub struct Subject {
    token: Secret,
    kind: TokenType,
    actor: Option<(Secret, TokenType)>,
}

impl Subject {
    /// The token of whoever's authority is to be used.
    pub fn new(token: &str, kind: TokenType) -> Self {
        Self { token: Secret::from_string(token.to_owned()), kind, actor: None }
    }

    /// With a token of who acts.
    #[must_use]
    pub fn actor(self, token: &str, kind: TokenType) -> Self {
        Self { actor: Some((Secret::from_string(token.to_owned()), kind)), ..self }
    }
}

/// A token that was fetched. No `Debug`: whoever has it and the key can present it.
pub struct AccessToken {
    token: Secret,
    hash: String,
    /// What it allows.
    pub scope: Scope,
    /// What it allows, in detail.
    pub details: AuthorizationDetails,
}

impl AccessToken {
    /// The token as it is presented. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &str {
        std::str::from_utf8(self.token.expose()).unwrap_or_default()
    }
}

/// Tokens for one resource. A clone is the same source.
#[derive(Clone)]
pub struct TokenSource(Arc<Inner>);

struct Inner {
    minter: Arc<Minter>,
    resource: Resource,
    /// Where requests may go with a token: an origin, and perhaps the start of a path.
    place: String,
    tokens: Kept<AccessToken, TokenError>,
    /// The newest nonce of the resource.
    nonce: Mutex<Option<String>>,
}

impl TokenSource {
    /// Tokens of `issuer` for `resource`, fetched as the client `client_id`.
    pub fn builder(issuer: &str, client_id: &str, resource: &str) -> TokenSourceBuilder {
        TokenSourceBuilder::new(issuer, client_id, resource)
    }

    /// Tokens for `resource` as the environment of a run has it: `MARQUE_ISSUER`,
    /// `MARQUE_CLIENT_ID` and `MARQUE_KEY_FILE`; authorities from `SSL_CERT_FILE`, else those of
    /// the system.
    ///
    /// # Errors
    /// [`crate::BuildError`] where one is not set or not what it should be.
    pub fn from_env(resource: &str) -> Result<Self, crate::BuildError> {
        TokenSourceBuilder::from_env(resource)?.build()
    }

    /// The token that is good now; fetched where there is none. Two thirds into its life the next
    /// one is fetched while this one is still used. However many ask, one fetch is under way.
    ///
    /// # Errors
    /// [`TokenError`]. After a failure nothing is fetched for a second, and for twice as long after
    /// each further one, up to a minute; while a human is asked, for as long as the server says.
    /// Until then the same error is told.
    pub async fn token(&self) -> Result<Arc<AccessToken>, TokenError> {
        self.0.tokens.get(|_| true).await.map_err(|absent| match absent {
            Absent::Failed(problem) => problem,
            Absent::Other => FetchError::Late(self.0.minter.server.issuer.to_string()).into(),
        })
    }

    /// Sets a token and a fresh proof on a request (RFC 9449 section 7.1), which then is good once.
    ///
    /// # Errors
    /// [`TokenError::Elsewhere`] for a request whose URL is not that of the resource's place, and
    /// as [`TokenSource::token`].
    pub async fn authorize<B>(&self, request: &mut Request<B>) -> Result<(), TokenError> {
        let (method, target) = (request.method().clone(), self.target(request.uri())?);
        let token = self.token().await?;
        let nonce = self.0.nonce.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let draft = ProofDraft {
            jti: &fresh_name(),
            method: method.as_str(),
            target: &target,
            iat: self.now(),
            access_token_hash: Some(&token.hash),
            nonce: nonce.as_deref(),
        };
        let proof = self.0.minter.proof_key.proof(&draft)?;
        let field = Secret::from_string(format!("DPoP {}", token.expose()));
        let field = HeaderValue::from_bytes(field.expose());
        let mut field = field.map_err(|_| TokenError::Proof("the token is no text".to_owned()))?;
        field.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, field);
        request.headers_mut().insert("dpop", proof);
        Ok(())
    }

    /// Learns the newest nonce of an answer of the resource (RFC 9449 section 8.2). Call it with
    /// the head of every answer. `true` where the request was refused for want of it, and is to be
    /// authorized and sent once more.
    pub fn learn(&self, status: http::StatusCode, headers: &HeaderMap) -> bool {
        let Some(nonce) = nonce(headers) else { return false };
        *self.0.nonce.lock().unwrap_or_else(PoisonError::into_inner) = Some(nonce);
        let challenges = headers.get_all(http::header::WWW_AUTHENTICATE).iter();
        let mut challenges = challenges.filter_map(|field| field.to_str().ok());
        status == http::StatusCode::UNAUTHORIZED
            && challenges.any(|challenge| challenge.contains("error=\"use_dpop_nonce\""))
    }

    /// Lets go of the token, as after a resource refused it with `invalid_token`.
    pub fn forget(&self) {
        self.0.tokens.forget();
    }

    /// Tokens for the same resource, exchanged for that of a subject (RFC 8693), by the same client
    /// and bound to the same key.
    #[must_use]
    pub fn exchange(&self, subject: Subject) -> Self {
        let ask = self.0.minter.ask.for_subject(subject);
        let minter = Arc::new(self.0.minter.asking(ask));
        Self::new(minter, self.0.resource.clone(), self.0.place.clone())
    }

    fn new(minter: Arc<Minter>, resource: Resource, place: String) -> Self {
        let (clock, fetcher) = (Arc::clone(&minter.server.clock), Arc::clone(&minter));
        let tokens = Kept::new(clock, PAUSE, move || {
            let minter = Arc::clone(&fetcher);
            Box::pin(async move { minter.mint().await })
        });
        Self(Arc::new(Inner { minter, resource, place, tokens, nonce: Mutex::default() }))
    }

    fn now(&self) -> NumericDate {
        self.0.minter.server.date()
    }

    fn target(&self, uri: &http::Uri) -> Result<Htu, TokenError> {
        let elsewhere = || TokenError::Elsewhere(uri.to_string());
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(elsewhere());
        };
        let target = Htu::parse(&format!("{scheme}://{authority}{}", uri.path()));
        let target = target.map_err(|_| elsewhere())?;
        let rest = target.as_str().strip_prefix(&self.0.place);
        let is_there = rest.is_some_and(|rest| rest.starts_with('/'));
        if is_there { Ok(target) } else { Err(elsewhere()) }
    }
}

/// The nonce of an answer, if it has one that could be sent back.
fn nonce(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("dpop-nonce")?.to_str().ok()?;
    let is_plain = (1..=512).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    is_plain.then(|| text.to_owned())
}

impl AccessToken {
    fn new(token: Secret, scope: Scope, details: AuthorizationDetails) -> Self {
        let hash = access_token_hash(token.expose());
        Self { token, hash, scope, details }
    }
}

impl From<CryptoError> for TokenError {
    fn from(problem: CryptoError) -> Self {
        Self::Proof(problem.to_string())
    }
}
