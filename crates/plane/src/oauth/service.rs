//! The token endpoint: one request, from the client's proof to the signed token.

use std::sync::Arc;

use marque_domain::{
    Body, Code, Effect, Endpoint, Operation, Refusal, SCOPE, Service, TOKEN, Timestamp,
};
use marque_wire::oauth::{
    AuthorizationDetails, Confirmation, ErrorCode, Exchange, GRANT_TYPES, Grant, Scope,
    TokenRequest, TokenResponse, TokenType,
};

use super::answer::{Asked, Refused, TokenAnswer};
use super::ask::{EndpointAsk, OAuthSettings};
use super::bound::{BoundProof, Covered, Held, Use};
use super::client::{Asker, Authenticated, Credentials, unproven};
use super::exchange::Exchanged;
use super::mint::Minting;
use super::nonce::Nonces;
use super::proof::Possession;
use super::target::{self, Target, is_by_gateway};
use super::{details, exchange};
use crate::caller::Presented;
use crate::decide::{self, Ask};
use crate::error::AdminError;
use crate::issue;
use crate::live::LiveRun;
use crate::plane::Plane;
use crate::record;
use crate::verbs::runs::detached::Wanted;
use crate::world::Unusable;

/// What is asked for, of whatever grant.
pub(super) struct Wish {
    pub(super) target: Target,
    pub(super) scope: Scope,
    pub(super) details: AuthorizationDetails,
    pub(super) effects: Vec<Effect>,
}

/// Who will have the token.
struct Holder {
    live: Arc<LiveRun>,
    client_id: String,
    exchanged: Option<Exchanged>,
}

/// What is good once and came with a request, each thing once: the one assertion of a client may be
/// its actor token as well.
#[derive(Default)]
struct Gathered(Vec<Use>);

impl Gathered {
    fn add(&mut self, uses: impl IntoIterator<Item = Use>) {
        for one in uses {
            if !self.0.contains(&one) {
                self.0.push(one);
            }
        }
    }
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
            return TokenAnswer { outcome: Err(off), nonce: None };
        };
        let outcome = self.token_of(&settings, ask, request).await;
        TokenAnswer { outcome, nonce: Some(self.dpop_nonce()) }
    }

    async fn token_of(
        &self,
        settings: &OAuthSettings,
        ask: EndpointAsk,
        request: TokenRequest,
    ) -> Result<TokenResponse, Refused> {
        let mut gathered = Gathered::default();
        let proven = self.proven(settings, (&ask, &request), &mut gathered).await;
        let (wish, holder, possession) = match proven {
            Ok(proven) => proven,
            Err(refused) => {
                let refused = self.refuse_stranger(settings, &request, (refused, &gathered.0));
                return Err(refused.await);
            }
        };
        let operation = operation(&wish, &request.grant);
        let asked = asked(&wish);
        let Holder { live, client_id, exchanged } = holder;
        let token = exchanged.as_ref().and_then(Exchanged::held);
        let kind =
            matches!(request.grant, Grant::TokenExchange(_)).then_some(TokenType::AccessToken);
        let minting =
            self.minting(settings, (wish, client_id), (&request.grant, &exchanged), &possession);
        let proof = BoundProof::new(live, gathered.0).asking(minting).with(token);
        let presented = Presented::Bound(Box::new(proof));
        self.must_hear().map_err(|refusal| Refused::by_road(refusal, asked))?;
        let permit = decide::decide(self, Ask { presented, operation, announced_bytes: 0 }).await;
        let permit = permit.map_err(|refusal| Refused::by_road(refusal, asked))?;
        let issued =
            issue::sign(self, permit).map_err(|refusal| Refused::by_road(refusal, asked))?;
        let claims = issued.claims;
        metrics::counter!("marque_tokens_total", "grant" => grant_type(&request.grant))
            .increment(1);
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
    ) -> Result<(Wish, Holder, Possession), Refused> {
        let endpoint = settings.endpoint("token");
        let authenticated = self.client_of(settings, ask, request)?;
        gathered.add(authenticated.iter().filter_map(|client| client.uses));
        let possession = self.possession_of(ask, &endpoint)?;
        gathered.add(possession.uses);
        // ORDER: who asks is known before anything is said of what there is to ask for.
        let job = match &request.grant {
            Grant::JwtBearer(assertion) => {
                let client_id = request.client_id.as_deref();
                let bearer = self.bearer_of((authenticated.as_ref(), client_id), assertion)?;
                gathered.add([bearer.assertion]);
                Some(bearer)
            }
            Grant::ClientCredentials | Grant::TokenExchange(_) => None,
        };
        let wish = self.wish(settings, request)?;
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
        Ok((wish, holder, possession))
    }

    // What was used before is refused by the road as well: this is for whatever comes before it.
    fn must_be_new(&self, gathered: &Gathered) -> Result<(), Refused> {
        let (world, now) = (self.world(), self.now());
        let is_used = |one: &Use| world.tokens.must_be_new(one.digest, now) == Err(Unusable::Again);
        if gathered.0.iter().any(is_used) {
            return Err(Refused::by_road(record::replayed(), Asked::Nothing));
        }
        Ok(())
    }

    // Of a jwt-bearer grant the assertion may be all there is.
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
        if shows_nothing && matches!(request.grant, Grant::JwtBearer(_)) {
            return Ok(None);
        }
        self.authenticate(settings, &credentials).map(Some)
    }

    fn wish(&self, settings: &OAuthSettings, request: &TokenRequest) -> Result<Wish, Refused> {
        let audiences = match &request.grant {
            Grant::TokenExchange(exchange) => &exchange.audience[..],
            Grant::ClientCredentials | Grant::JwtBearer(_) => &[],
        };
        let target = target::find(&self.world(), settings, (&request.resource, audiences))?;
        let service = target.connection.fact.service;
        let mut effects = Vec::new();
        for scope in request.scope.names() {
            let known = service.operation(SCOPE).ok_or_else(|| {
                Refused::of(ErrorCode::InvalidScope, "tokens for this resource have no scopes")
            })?;
            let (name, resource) = (known.name.to_owned(), vec![scope.to_owned()]);
            effects.push(Effect { name, class: known.class, resource });
        }
        let details = &request.authorization_details;
        effects.extend(details::effects(details, (service, &target.audience))?);
        let scope = request.scope.clone();
        Ok(Wish { target, scope, details: details.clone(), effects })
    }

    async fn holder(&self, authenticated: Option<Authenticated>) -> Result<Holder, Refused> {
        let Authenticated { asker, client_id, .. } = authenticated.ok_or_else(unproven)?;
        let live = match asker {
            Asker::Run(live) => live,
            Asker::Client(client) => {
                let wanted = Wanted { client: client.fact.id, instance: None, person: None };
                self.run_of_client(wanted).await.map_err(|error| unopened(&error))?
            }
            Asker::Resource(_) => {
                let description = "a resource server asks about tokens, not for them";
                return Err(Refused::of(ErrorCode::UnauthorizedClient, description));
            }
        };
        Ok(Holder { live, client_id, exchanged: None })
    }

    async fn holder_of_exchange(
        &self,
        settings: &OAuthSettings,
        (asked, wish): (&Exchange, &Wish),
        (authenticated, possession): (Authenticated, &Possession),
        gathered: &mut Gathered,
    ) -> Result<Holder, Refused> {
        if matches!(asked.subject_token_type, TokenType::IdToken | TokenType::Jwt) {
            let by = (authenticated, possession);
            return self.holder_for_person(settings, asked, by, gathered).await;
        }
        let shown = authenticated.assertion;
        let Holder { live, client_id, .. } = self.holder(Some(authenticated)).await?;
        let client_id = client_id.as_str();
        let presenter = exchange::Presenter { live: Some(live), client_id, possession, shown };
        let (exchanged, hop, actor_use) = self.exchange(settings, (asked, wish), &presenter)?;
        gathered.add(actor_use);
        self.must_be_new(gathered)?;
        let live = self.run_of_hop(hop).await.map_err(|error| unopened(&error))?;
        let client_id = client_id.to_owned();
        Ok(Holder { live, client_id, exchanged: Some(exchanged) })
    }

    // A person's own token opens a run on their behalf, for a workload whose agent has a grant that
    // names them.
    async fn holder_for_person(
        &self,
        settings: &OAuthSettings,
        asked: &Exchange,
        (authenticated, possession): (Authenticated, &Possession),
        gathered: &mut Gathered,
    ) -> Result<Holder, Refused> {
        let Authenticated { asker, client_id, assertion: shown, .. } = authenticated;
        let Asker::Client(client) = asker else {
            let description = "only a registered workload opens runs for people";
            return Err(Refused::of(ErrorCode::UnauthorizedClient, description));
        };
        let presenter =
            exchange::Presenter { live: None, client_id: &client_id, possession, shown };
        let actor_use = self.actor_of(settings, asked, &presenter)?;
        let subject = (&asked.subject_token, asked.subject_token_type);
        let person = self.person_of(subject, &client_id).ok_or_else(|| {
            Refused::of(ErrorCode::InvalidRequest, "the `subject_token` does not hold")
        })?;
        gathered.add(actor_use.into_iter().chain(person.uses));
        self.must_be_new(gathered)?;
        let (instance, user) = (Some(person.instance), Some(person.user));
        let wanted = Wanted { client: client.fact.id, instance, person: user };
        let live = self.run_of_client(wanted).await.map_err(|error| unopened(&error))?;
        let exchanged = Exchanged { own: None, until: person.until, jti: person.jti };
        Ok(Holder { live, client_id, exchanged: Some(exchanged) })
    }

    async fn holder_of_bearer(&self, bearer: exchange::Bearer) -> Result<Holder, Refused> {
        let exchange::Bearer { client, instance, .. } = bearer;
        let client_id = client.to_string();
        let wanted = Wanted { client, instance: Some(instance), person: None };
        let live = self.run_of_client(wanted).await.map_err(|error| unopened(&error))?;
        Ok(Holder { live, client_id, exchanged: None })
    }

    fn minting(
        &self,
        settings: &OAuthSettings,
        (wish, client_id): (Wish, String),
        (grant, exchanged): (&Grant, &Option<Exchanged>),
        possession: &Possession,
    ) -> Minting {
        Minting {
            jti: self.id(),
            issuer: settings.issuer.clone(),
            trust_domain: self.trust_domain().to_owned(),
            grant: grant_type(grant),
            client_id,
            audience: wish.target.audience,
            algorithm: wish.target.algorithm,
            scope: wish.scope,
            details: wish.details,
            confirmation: possession.confirmation,
            ttl: settings.token_ttl,
            ends: exchanged.as_ref().map(|exchanged| exchanged.until),
            subject_token: exchanged.as_ref().map(|exchanged| exchanged.jti.clone()),
        }
    }

    // Whoever is refused before there is a decision leaves a record as well.
    async fn refuse_stranger(
        &self,
        settings: &OAuthSettings,
        request: &TokenRequest,
        (refused, uses): (Refused, &[Use]),
    ) -> Refused {
        // Every client is told so once, and has done nothing wrong.
        if refused.body.error == ErrorCode::UseDpopNonce {
            return refused;
        }
        let refusal = refused.refusal.clone().map_or_else(|| refusal_of(&refused), |known| *known);
        let operation = strange(settings, request);
        let refusal = record::refuse_stranger(self, &operation, uses, refusal).await;
        if matches!(refusal.code, Code::LogUnavailable | Code::Overloaded) {
            return Refused::by_road(refusal, Asked::Nothing);
        }
        Refused { refusal: Some(Box::new(refusal)), ..refused }
    }
}

// What the log says of a request that the road never saw.
fn refusal_of(refused: &Refused) -> Refusal {
    let (code, remedy) = match refused.body.error {
        ErrorCode::InvalidTarget => (Code::NoTarget, "see `marque connection list`"),
        ErrorCode::InvalidScope | ErrorCode::InvalidAuthorizationDetails => {
            (Code::BeyondToken, "ask for what the resource and the token know")
        }
        ErrorCode::InvalidClient => (Code::CallerUnknown, "see `marque client list`"),
        _ => (Code::CallerProof, "look at what the client sends"),
    };
    let message = refused.body.description.unwrap_or("the request was refused");
    Refusal::new(code, message, remedy)
}

/// The name of a grant type.
pub(super) fn grant_type(grant: &Grant) -> &'static str {
    let [credentials, exchange, bearer] = GRANT_TYPES;
    match grant {
        Grant::ClientCredentials => credentials,
        Grant::TokenExchange(_) => exchange,
        Grant::JwtBearer(_) => bearer,
    }
}

// The question that goes to the road: may this run hold such a token?
fn operation(wish: &Wish, grant: &Grant) -> Operation {
    let connection = &wish.target.connection.fact;
    let service = connection.service;
    let class = marque_domain::Class::Unclassified;
    let endpoint = connection.hosts.first().cloned();
    let mut parameters = std::collections::BTreeMap::new();
    parameters.insert("resource".to_owned(), wish.target.audience.as_str().to_owned());
    parameters.insert("grant".to_owned(), grant_type(grant).to_owned());
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

// The same of a request that never came to a connection. Nothing of it is copied but the grant.
fn strange(settings: &OAuthSettings, request: &TokenRequest) -> Operation {
    let issuer = settings.issuer.as_str();
    let host = issuer.split("://").nth(1).unwrap_or(issuer).split('/').next().unwrap_or_default();
    let grant = grant_type(&request.grant).to_owned();
    Operation {
        service: Service::Resource,
        name: TOKEN.to_owned(),
        class: marque_domain::Class::Unclassified,
        resource: Vec::new(),
        scheme: "https".to_owned(),
        endpoint: Endpoint { host: host.to_owned(), port: 0 },
        over: None,
        parameters: [("grant".to_owned(), grant)].into(),
        body: Body::Empty,
        also: Vec::new(),
    }
}

fn asked(wish: &Wish) -> Asked {
    match (wish.scope.is_empty(), wish.details.is_empty()) {
        (false, _) => Asked::Scope,
        (true, false) => Asked::Details,
        (true, true) => Asked::Nothing,
    }
}

// Why there is no run for whoever proved itself.
fn unopened(error: &AdminError) -> Refused {
    tracing::info!(%error, "no run could be opened for a client of the token service");
    match error.kind {
        crate::error::AdminKind::Unavailable => {
            Refused::of(ErrorCode::TemporarilyUnavailable, "not now; try again")
        }
        _ => Refused::of(ErrorCode::InvalidGrant, "no run may be opened for this client"),
    }
}

/// The effects a token for a connection that the gateway serves is bound to; `None` where its run's
/// mandate alone says.
pub(super) fn covers(
    target: (&marque_domain::Connection, &marque_wire::oauth::Resource),
    details: &AuthorizationDetails,
) -> Result<Option<Covered>, Refused> {
    let (connection, audience) = target;
    if details.is_empty() && is_by_gateway(connection) {
        return Ok(None);
    }
    let effects = details::effects(details, (connection.service, audience))?;
    Ok(Some(effects.into_iter().map(|effect| (effect.name, effect.resource)).collect()))
}

impl Exchanged {
    fn held(&self) -> Option<Held> {
        // What is asked for was compared with the token itself.
        self.own.map(|id| Held { id, until: self.until, covers: None })
    }
}
