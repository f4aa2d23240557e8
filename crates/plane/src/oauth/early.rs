//! Requests that are refused before there is anything to decide. They leave a record as well, at a
//! bounded rate: of whoever proved itself at its own, of all others together at one.

use marque_domain::{Body, Class, Code, Endpoint, Operation, Refusal, Service, TOKEN};
use marque_wire::oauth::ErrorCode;

use super::answer::{Asked, Refused};
use super::ask::OAuthSettings;
use super::bound::Use;
use super::client::Authenticated;
use crate::draft::Known;
use crate::plane::Plane;
use crate::record;

/// What was found out of a request: who asks, and what is good once and came with it, each thing
/// once. The one assertion of a client may be its actor token as well.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) uses: Vec<Use>,
    pub(super) who: Option<Known>,
}

impl Gathered {
    pub(super) fn of(authenticated: &Authenticated, who: Option<Known>) -> Self {
        Self { uses: authenticated.uses.into_iter().collect(), who }
    }

    pub(super) fn add(&mut self, uses: impl IntoIterator<Item = Use>) {
        for one in uses {
            if !self.uses.contains(&one) {
                self.uses.push(one);
            }
        }
    }
}

impl Plane {
    /// Records a request that is refused early, and what it used up; then it is refused.
    pub(super) async fn refuse_early(
        &self,
        operation: &Operation,
        gathered: Gathered,
        refused: Refused,
    ) -> Refused {
        match refused.body.error {
            // Every client is told so once, and has done nothing wrong.
            ErrorCode::UseDpopNonce => return refused,
            // Nor has one that comes again for an answer and finds none yet.
            ErrorCode::AuthorizationPending | ErrorCode::SlowDown => {
                return self.use_up(&gathered.uses).err().unwrap_or(refused);
            }
            _ => {}
        }
        let refusal = refused.refusal.clone().map_or_else(|| refusal_of(&refused), |known| *known);
        let Gathered { uses, who } = gathered;
        let refusal = record::refuse_early(self, (operation, who), &uses, refusal).await;
        if matches!(refusal.code, Code::LogUnavailable | Code::Overloaded) {
            return Refused::by_road(refusal, Asked::Nothing);
        }
        Refused { refusal: Some(Box::new(refusal)), ..refused }
    }

    /// The same, recorded a moment later: where nothing was allowed or used, nobody waits for it.
    pub(super) fn refused_early(
        &self,
        operation: Operation,
        who: Option<Known>,
        refused: Refused,
    ) -> Refused {
        let (plane, told) = (self.clone(), refused.clone());
        self.spawn(async move {
            let gathered = Gathered { uses: Vec::new(), who };
            plane.refuse_early(&operation, gathered, told).await;
        });
        refused
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

/// A request for a token that never came to a connection. Nothing of it is copied but the grant.
pub(super) fn token(settings: &OAuthSettings, grant: &str) -> Operation {
    let parameters = [("grant".to_owned(), grant.to_owned())].into();
    Operation { parameters, ..at(settings, TOKEN) }
}

/// A request to that endpoint, which is no question to the road.
pub(super) fn at(settings: &OAuthSettings, endpoint: &str) -> Operation {
    let issuer = settings.issuer.as_str();
    let host = issuer.split("://").nth(1).unwrap_or(issuer).split('/').next().unwrap_or_default();
    Operation {
        service: Service::Resource,
        name: endpoint.to_owned(),
        class: Class::Unclassified,
        resource: Vec::new(),
        scheme: "https".to_owned(),
        endpoint: Endpoint { host: host.to_owned(), port: 0 },
        over: None,
        parameters: std::collections::BTreeMap::new(),
        body: Body::Empty,
        also: Vec::new(),
    }
}
