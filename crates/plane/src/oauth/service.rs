//! The token endpoint: one request, from the client's proof to the signed token.

use std::sync::Arc;

use marque_domain::{Agent, Body, Effect, Endpoint, Id, Operation, SCOPE, TOKEN, Timestamp};
use marque_wire::jose::TokenClass;
use marque_wire::oauth::{
    AuthorizationDetails, Confirmation, ErrorCode, GRANT_TYPES, Grant, Resource, Scope,
    TokenRequest, TokenResponse, TokenType,
};

use super::answer::{Asked, Deferred, Refused, TokenAnswer};
use super::ask::{EndpointAsk, OAuthSettings};
use super::bound::{BoundProof, Covered, Use};
use super::client::{Authenticated, Credentials, unproven};
use super::deferred::{Continued, Said};
use super::details;
use super::early::{self, Gathered};
use super::exchange::Exchanged;
use super::holder::Holder;
use super::mint::{self, Minting};
use super::nonce::Nonces;
use super::proof::Possession;
use super::target::{self, Target, is_by_gateway};
use crate::caller::Presented;
use crate::decide::{self, Ask};
use crate::draft::Known;
use crate::issue;
use crate::plane::Plane;
use crate::record;
use crate::world::Unusable;

/// What is asked for, of whatever grant.
pub(super) struct Wish {
    pub(super) target: Target,
    pub(super) scope: Scope,
    pub(super) details: AuthorizationDetails,
    pub(super) effects: Vec<Effect>,
}

/// A request as far as no road is needed for it.
pub(super) struct Proven {
    pub(super) wish: Wish,
    pub(super) holder: Holder,
    pub(super) possession: Possession,
    /// On which ground, by the name of the grant type.
    pub(super) grant: &'static str,
    /// Whether the client proved itself, beside whatever its grant proves.
    pub(super) is_client: bool,
}

/// What a request says it wants.
struct Words<'a> {
    resource: &'a [Resource],
    audiences: &'a [String],
    scope: &'a Scope,
    details: &'a AuthorizationDetails,
}

impl Plane {
    /// How the token service is set up; `None` where it is off.
    pub fn oauth(&self) -> Option<&OAuthSettings> {
        self.settings().oauth.as_ref()
    }

    /// Who issues tokens; `None` where nobody does.
    pub(crate) fn issuer(&self) -> Option<String> {
        self.oauth().map(|settings| settings.issuer.as_str().to_owned())
    }

    /// The nonce for the next proof.
    pub fn dpop_nonce(&self) -> String {
        self.nonces(self.moment().steady).newest().to_owned()
    }

    /// The nonces that are good at that moment.
    pub(super) fn nonces(&self, steady: Timestamp) -> Arc<Nonces> {
        self.inner().nonces.at(self.machine_key(), steady)
    }

    /// Answers the token endpoint (RFC 6749 §3.2). Every answer is in the log before it is given.
    pub async fn token(&self, ask: EndpointAsk, request: TokenRequest) -> TokenAnswer {
        let Some(settings) = self.oauth().cloned() else {
            let off = Refused::of(ErrorCode::TemporarilyUnavailable, "the token service is off");
            return TokenAnswer { outcome: Err(off), nonce: None, deferred: None };
        };
        let mut deferred = None;
        let outcome = self.token_of(&settings, (ask, request), &mut deferred).await;
        TokenAnswer { outcome, nonce: Some(self.dpop_nonce()), deferred }
    }

    async fn token_of(
        &self,
        settings: &OAuthSettings,
        (ask, request): (EndpointAsk, TokenRequest),
        deferred: &mut Option<Deferred>,
    ) -> Result<TokenResponse, Refused> {
        let mut gathered = Gathered::default();
        let proven = match self.proven(settings, (&ask, &request), &mut gathered).await {
            Ok(proven) => proven,
            Err(refused) => {
                let operation = early::token(settings, grant_type(&request.grant));
                return Err(self.refuse_early(&operation, gathered, refused).await);
            }
        };
        let said = Said::of(&request, &proven);
        let Proven { wish, holder, possession, grant, .. } = proven;
        let operation = operation(&wish, grant, (&holder, &possession));
        let asked = asked(&wish);
        let Holder { live, client_id, exchanged } = holder;
        let token = exchanged.as_ref().and_then(Exchanged::held);
        let kind = (grant == GRANT_TYPES[1]).then_some(TokenType::AccessToken);
        let minting = self.minting(settings, (wish, client_id), (grant, exchanged), &possession);
        let proof = BoundProof::new(live, gathered.uses).asking(minting).with(token);
        let presented = Presented::Bound(Box::new(proof));
        self.must_hear().map_err(|refusal| Refused::by_road(refusal, asked))?;
        let permit = decide::decide(self, Ask { presented, operation, announced_bytes: 0 }).await;
        let permit = match permit {
            Ok(permit) => permit,
            Err(refusal) => {
                if let (Some(approval), Some(said)) = (refusal.approval, said) {
                    *deferred = self.defer(approval, said).await;
                }
                let refused = Refused::by_road(refusal, asked);
                let is_continued = matches!(request.grant, Grant::Deferred(_));
                return Err(if is_continued { refused.at_last() } else { refused });
            }
        };
        let issued =
            issue::sign(self, permit).map_err(|refusal| Refused::by_road(refusal, asked))?;
        let claims = issued.claims;
        metrics::counter!("marque_tokens_total", "grant" => grant).increment(1);
        Ok(TokenResponse {
            access_token: issued.token,
            issued_token_type: kind,
            is_bound_to_key: matches!(claims.cnf, Some(Confirmation::Key(_))),
            expires_in_secs: claims.exp.seconds_since(claims.iat),
            scope: claims.scope,
            authorization_details: claims.authorization_details,
        })
    }

    // Everything that needs no road: who asks, what for, and by what key. No run is opened for
    // whoever shows what was used before.
    async fn proven(
        &self,
        settings: &OAuthSettings,
        (ask, request): (&EndpointAsk, &TokenRequest),
        gathered: &mut Gathered,
    ) -> Result<Proven, Refused> {
        let endpoint = settings.endpoint("token");
        let authenticated = self.client_of(settings, ask, request)?;
        gathered.who = authenticated.as_ref().and_then(|client| client.known(&self.world()));
        gathered.add(authenticated.iter().filter_map(|client| client.uses));
        let possession = self.possession_of(ask, &endpoint)?;
        gathered.add(possession.uses);
        // ORDER: who asks is known before anything is said of what there is to ask for.
        let is_client = authenticated.is_some();
        if let Grant::Deferred(code) = &request.grant {
            self.must_be_new(gathered)?;
            let by = (authenticated.as_ref(), &possession);
            let Continued { grant, resource, scope, details, holder, uses } =
                self.continued(code, by)?;
            gathered.add([uses]);
            let resource = &[resource][..];
            let words = Words { resource, audiences: &[], scope: &scope, details: &details };
            let wish = self.wish(settings, &words)?;
            return Ok(Proven { wish, holder, possession, grant, is_client });
        }
        let job = match &request.grant {
            Grant::JwtBearer(assertion) => {
                let client_id = request.client_id.as_deref();
                self.learn_keys(TokenClass::Assertion, assertion.expose()).await;
                let bearer = self.bearer_of((authenticated.as_ref(), client_id), assertion)?;
                let client = self.world().clients.get(bearer.client).cloned();
                gathered.who = client.map(Known::Client);
                gathered.add([bearer.assertion]);
                Some(bearer)
            }
            _ => None,
        };
        let wish = self.wish(settings, &Words::of(request))?;
        if possession.confirmation.is_none() && !wish.target.bearer {
            return Err(Refused::of(
                ErrorCode::InvalidDpopProof,
                "a token is bound to a key: send a DPoP proof, or show a certificate",
            ));
        }
        self.must_be_new(gathered)?;
        let holder = match (&request.grant, job) {
            (Grant::TokenExchange(asked), _) => {
                let authenticated = authenticated.ok_or_else(unproven)?;
                let by = (authenticated, &possession);
                self.holder_of_exchange(settings, (asked, &wish), by, gathered).await?
            }
            (_, Some(job)) => self.holder_of_bearer(job).await?,
            (_, None) => self.holder(authenticated).await?,
        };
        Ok(Proven { wish, holder, possession, grant: grant_type(&request.grant), is_client })
    }

    // What was used before is refused by the road as well: this is for whatever comes before it.
    pub(super) fn must_be_new(&self, gathered: &Gathered) -> Result<(), Refused> {
        let (world, now) = (self.world(), self.now());
        let is_used = |one: &Use| world.tokens.must_be_new(one.digest, now) == Err(Unusable::Again);
        if gathered.uses.iter().any(is_used) {
            return Err(Refused::by_road(record::replayed(), Asked::Nothing));
        }
        Ok(())
    }

    // Of a jwt-bearer grant the assertion may be all there is, and of one that was deferred the key
    // that its code is bound to.
    fn client_of(
        &self,
        settings: &OAuthSettings,
        ask: &EndpointAsk,
        request: &TokenRequest,
    ) -> Result<Option<Authenticated>, Refused> {
        let client_id = request.client_id.as_deref();
        let credentials = Credentials { client_id, proof: &request.client_proof, ask };
        let shows_nothing = matches!(ask.presented, Presented::Nothing)
            && matches!(request.client_proof, marque_wire::oauth::ClientProof::None)
            && ask.basic.is_none();
        if shows_nothing && matches!(request.grant, Grant::JwtBearer(_) | Grant::Deferred(_)) {
            return Ok(None);
        }
        self.authenticate(settings, &credentials).map(Some)
    }

    fn wish(&self, settings: &OAuthSettings, words: &Words<'_>) -> Result<Wish, Refused> {
        let target = target::find(&self.world(), settings, (words.resource, words.audiences))?;
        let service = target.connection.fact.service;
        let mut effects = Vec::new();
        for scope in words.scope.names() {
            let known = service.operation(SCOPE).ok_or_else(|| {
                Refused::of(ErrorCode::InvalidScope, "tokens for this resource have no scopes")
            })?;
            let (name, resource) = (known.name.to_owned(), vec![scope.to_owned()]);
            effects.push(Effect { name, class: known.class, resource });
        }
        effects.extend(details::effects(words.details, (service, &target.audience))?);
        let (scope, details) = (words.scope.clone(), words.details.clone());
        Ok(Wish { target, scope, details, effects })
    }

    fn minting(
        &self,
        settings: &OAuthSettings,
        (wish, client_id): (Wish, String),
        (grant, exchanged): (&'static str, Option<Exchanged>),
        possession: &Possession,
    ) -> Minting {
        let served_by = served_by(&wish.target);
        Minting {
            jti: self.id(),
            issuer: settings.issuer.clone(),
            trust_domain: self.trust_domain().to_owned(),
            grant,
            client_id,
            audience: wish.target.audience,
            algorithm: wish.target.algorithm,
            scope: wish.scope,
            details: wish.details,
            confirmation: possession.confirmation,
            ttl: settings.token_ttl,
            ends: exchanged.as_ref().map(|exchanged| exchanged.until),
            authentication: exchanged
                .as_ref()
                .and_then(|exchanged| exchanged.authentication.clone()),
            subject_token: exchanged.map(|exchanged| exchanged.jti),
            served_by,
        }
    }
}

fn served_by(target: &Target) -> Option<Id<Agent>> {
    target.connection.fact.tokens.as_ref().and_then(|tokens| tokens.served_by)
}

/// The name of a grant type.
pub(super) fn grant_type(grant: &Grant) -> &'static str {
    let [credentials, exchange, bearer, deferred] = GRANT_TYPES;
    match grant {
        Grant::ClientCredentials => credentials,
        Grant::TokenExchange(_) => exchange,
        Grant::JwtBearer(_) => bearer,
        Grant::Deferred(_) => deferred,
    }
}

impl<'a> Words<'a> {
    fn of(request: &'a TokenRequest) -> Self {
        let audiences = match &request.grant {
            Grant::TokenExchange(exchange) => &exchange.audience[..],
            _ => &[],
        };
        Self {
            resource: &request.resource,
            audiences,
            scope: &request.scope,
            details: &request.authorization_details,
        }
    }
}

// The question that goes to the road: may this run hold such a token? A human's yes is to all of
// it, so it names whoever asks as far as the run does not: the client, the key, the subject token.
fn operation(wish: &Wish, grant: &str, (holder, possession): (&Holder, &Possession)) -> Operation {
    let connection = &wish.target.connection.fact;
    let service = connection.service;
    let class = marque_domain::Class::Unclassified;
    let endpoint = connection.hosts.first().cloned();
    let mut parameters = std::collections::BTreeMap::new();
    parameters.insert("resource".to_owned(), wish.target.audience.as_str().to_owned());
    parameters.insert("grant".to_owned(), grant.to_owned());
    parameters.insert("client".to_owned(), holder.client_id.clone());
    if let Some(bound_to) = possession.confirmation {
        parameters.insert("bound_to".to_owned(), mint::bound_to(bound_to));
    }
    if let Some(exchanged) = &holder.exchanged {
        parameters.insert("subject_token".to_owned(), exchanged.jti.clone());
    }
    if !wish.details.is_empty() {
        parameters.insert("authorization_details".to_owned(), wish.details.to_json().to_string());
    }
    Operation {
        service,
        name: TOKEN.to_owned(),
        class,
        resource: Vec::new(),
        scheme: connection.transport.scheme().to_owned(),
        endpoint: endpoint.unwrap_or(Endpoint { host: String::new(), port: 0 }),
        over: Some(connection.id),
        parameters,
        body: Body::Empty,
        also: wish.effects.clone(),
    }
}

fn asked(wish: &Wish) -> Asked {
    match (wish.scope.is_empty(), wish.details.is_empty()) {
        (false, _) => Asked::Scope,
        (true, false) => Asked::Details,
        (true, true) => Asked::Nothing,
    }
}

/// The effects a token for a connection that the gateway serves is bound to; `None` where its run's
/// mandate alone says.
pub(super) fn covers(
    target: (&marque_domain::Connection, &Resource),
    details: &AuthorizationDetails,
) -> Result<Option<Covered>, Refused> {
    let (connection, audience) = target;
    if details.is_empty() && is_by_gateway(connection) {
        return Ok(None);
    }
    let effects = details::effects(details, (connection.service, audience))?;
    Ok(Some(effects.into_iter().map(|effect| (effect.name, effect.resource)).collect()))
}
