//! Who will have a token: the run it is for, opened where there is none yet.

use std::sync::Arc;

use marque_domain::{Code, Refusal};
use marque_wire::oauth::{ErrorCode, Exchange, TokenType};

use super::answer::Refused;
use super::ask::OAuthSettings;
use super::bound::Held;
use super::client::{Asker, Authenticated, unproven};
use super::early::Gathered;
use super::exchange::{self, Exchanged};
use super::job::Bearer;
use super::proof::Possession;
use super::service::Wish;
use crate::error::{AdminError, AdminKind};
use crate::live::LiveRun;
use crate::plane::Plane;
use crate::verbs::runs::detached::Wanted;

/// Who will have the token.
pub(super) struct Holder {
    pub(super) live: Arc<LiveRun>,
    pub(super) client_id: String,
    pub(super) exchanged: Option<Exchanged>,
}

impl Plane {
    pub(super) async fn holder(
        &self,
        authenticated: Option<Authenticated>,
    ) -> Result<Holder, Refused> {
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

    pub(super) async fn holder_of_exchange(
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
        let presenter =
            exchange::Presenter { live: Some(live), client_id: &client_id, possession, shown };
        let (exchanged, hop, actor_use) = self.exchange(settings, (asked, wish), &presenter)?;
        gathered.add(actor_use);
        self.must_be_new(gathered)?;
        let live = self.run_of_hop(hop).await.map_err(|error| unopened(&error))?;
        Ok(Holder { live, client_id, exchanged: Some(exchanged) })
    }

    // A person's own token opens a run on their behalf, for a workload whose agent has a grant that
    // names them.
    pub(super) async fn holder_for_person(
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
        let actor = self.actor_of(settings, asked, &presenter)?;
        let subject = (&asked.subject_token, asked.subject_token_type);
        self.learn_keys_of_person(subject).await;
        let person = self.person_of(subject, &client_id).ok_or_else(|| {
            Refused::of(ErrorCode::InvalidRequest, "the `subject_token` does not hold")
        })?;
        gathered.add(actor.uses.into_iter().chain(person.uses));
        self.must_be_new(gathered)?;
        let (instance, user) = (Some(person.instance), Some(person.user));
        let wanted = Wanted { client: client.fact.id, instance, person: user };
        let live = self.run_of_client(wanted).await.map_err(|error| unopened(&error))?;
        let until = actor.ends(person.until);
        let exchanged =
            Exchanged { own: None, until, jti: person.jti, authentication: person.authentication };
        Ok(Holder { live, client_id, exchanged: Some(exchanged) })
    }

    pub(super) async fn holder_of_bearer(&self, bearer: Bearer) -> Result<Holder, Refused> {
        let Bearer { client, instance, .. } = bearer;
        let client_id = client.to_string();
        let wanted = Wanted { client, instance: Some(instance), person: None };
        let live = self.run_of_client(wanted).await.map_err(|error| unopened(&error))?;
        Ok(Holder { live, client_id, exchanged: None })
    }
}

// Why there is no run for whoever proved itself: the log is told in full.
fn unopened(error: &AdminError) -> Refused {
    tracing::info!(%error, "no run could be opened for a client of the token service");
    let refused = match error.kind {
        AdminKind::Unavailable => Refused::of(
            ErrorCode::TemporarilyUnavailable,
            "no run can be opened for this client now; try again",
        ),
        _ => Refused::of(ErrorCode::InvalidGrant, "no run may be opened for this client"),
    };
    let code = match error.kind {
        AdminKind::Unavailable => Code::Overloaded,
        _ => Code::CallerProof,
    };
    let remedy = error.remedy.as_deref().unwrap_or("see `marque client list`");
    let refusal = Refusal::new(code, error.message.clone(), remedy);
    Refused { refusal: Some(Box::new(refusal)), ..refused }
}

impl Exchanged {
    /// It as a token that the new one rests on, if it is one of ours.
    pub(super) fn held(&self) -> Option<Held> {
        // What is asked for was compared with the token itself.
        self.own.map(|id| Held { id, until: self.until, covers: None })
    }
}
