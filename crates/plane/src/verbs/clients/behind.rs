//! Whoever stands behind a run that nobody launched, and would open the next one: a client, a job
//! or person of it, or the hop of an exchange. A kill of the run stops them, and a human lets them
//! in again.

use std::time::Duration;

use marque_crypto::hash::sha256;
use marque_domain::client::ClientState;
use marque_domain::{Client, Digest, Id, Run, Timestamp, User, Verb};

use super::RUN_TTL_MAX_SECS;
use crate::caller::Acting;
use crate::error::{AdminError, AdminKind};
use crate::failure::Failure;
use crate::plane::Plane;
use crate::step::Step;
use crate::verbs::runs::detached::Hop;
use crate::verbs::runs::unclosed;
use crate::verbs::{Detailed, changed};
use crate::view::{ClientView, StoppedView};
use crate::world::World;

/// Who.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// A client that has one run at a time.
    Client(Id<Client>),
    /// One of the jobs or people of a client.
    Instance(Id<Client>, Digest),
    /// Whoever presents tokens of one run in another one.
    Hop(Hop),
}

/// Who stands behind a run; nobody where it was launched.
pub(crate) fn behind(run: &Run) -> Option<Behind> {
    let oauth = run.oauth.as_ref()?;
    if let (Some(presenter), Some(subject)) = (oauth.presenter, run.parent) {
        return Some(Behind::Hop(Hop { subject, presenter }));
    }
    let client = oauth.client?;
    Some(oauth.instance.map_or(Behind::Client(client), |one| Behind::Instance(client, one)))
}

impl Behind {
    /// What is remembered of it while it is stopped; of a client its own state says so.
    fn stop(&self) -> Option<Digest> {
        let text = match self {
            Self::Client(_) => return None,
            Self::Instance(client, instance) => format!("stopped\n{client}\n{instance}"),
            Self::Hop(Hop { subject, presenter }) => format!("stopped\n{subject}\n{presenter}"),
        };
        Some(sha256(text.as_bytes()))
    }

    /// Until when it is stopped by a kill of one of its runs.
    pub(crate) fn stopped_until(&self, world: &World, now: Timestamp) -> Option<Timestamp> {
        let until = self.stop().and_then(|stop| world.tokens.used_until(stop));
        until.filter(|until| now < *until)
    }
}

/// A kill of a client's run stops the client too, or the job, the person or the hop that the run
/// was for: it would open the next one otherwise. Says whom it stopped.
pub(crate) fn stop_behind(
    step: &mut Step<'_, '_>,
    run: &Run,
) -> Result<Option<StoppedView>, Failure> {
    let Some(behind) = behind(run) else { return Ok(None) };
    let until = match behind {
        Behind::Client(client) => {
            let client = step.world.clients.get(client).map(|client| client.fact.clone());
            let Some(client) = client.filter(Client::is_active) else { return Ok(None) };
            return suspend(step, client).map(Some);
        }
        Behind::Instance(..) => step.now.plus(Duration::from_secs(RUN_TTL_MAX_SECS)),
        Behind::Hop(_) if run.expires_at <= step.now => return Ok(None),
        Behind::Hop(_) => run.expires_at,
    };
    if let Some(stop) = behind.stop() {
        step.remember_stop(stop, until);
    }
    Ok(Some(StoppedView {
        client: client_of(step.world, run).map(|client| client.name.clone()),
        run: Some(run.id),
    }))
}

/// The runs that whoever stands behind a run has open.
pub(crate) fn open_runs(step: &Step<'_, '_>, run: &Run) -> Vec<Id<Run>> {
    match behind(run) {
        Some(Behind::Client(client)) => unclosed(step, |run| run.client() == Some(client)),
        Some(same) => unclosed(step, |run| behind(run) == Some(same)),
        None => Vec::new(),
    }
}

/// Stops every client that is meant, whether it has an open run or not.
pub(crate) fn suspend_all(
    step: &mut Step<'_, '_>,
    is_meant: impl Fn(&Client) -> bool,
) -> Result<Vec<StoppedView>, Failure> {
    let active = step.world.clients.all().filter(|client| client.fact.is_active());
    let meant = active.filter(|client| is_meant(&client.fact));
    let mut meant: Vec<Client> = meant.map(|client| client.fact.clone()).collect();
    meant.sort_unstable_by_key(|client| client.id);
    meant.into_iter().map(|client| suspend(step, client)).collect()
}

fn suspend(step: &mut Step<'_, '_>, client: Client) -> Result<StoppedView, Failure> {
    let name = client.name.clone();
    step.save(Client { state: ClientState::Suspended, ..client })?;
    Ok(StoppedView { client: Some(name), run: None })
}

fn client_of<'a>(world: &'a World, run: &Run) -> Option<&'a Client> {
    run.client().and_then(|client| world.clients.get(client)).map(|client| &client.fact)
}

/// A run, also one that was closed long ago: then it is in the store alone.
pub(crate) fn any_run(step: &mut Step<'_, '_>, which: Id<Run>) -> Result<Run, AdminError> {
    if let Some(run) = step.world.runs.get(which) {
        return Ok(run.fact.clone());
    }
    let kept = step.tx.get(which)?.map(|run| run.fact);
    kept.ok_or_else(|| AdminError::not_found("run", &which.to_string(), "marque run list --all"))
}

impl Plane {
    pub(super) async fn resume_behind(
        &self,
        who: &Acting<User>,
        run: Id<Run>,
    ) -> Result<ClientView, AdminError> {
        let (by, plane) = (Self::by(who), self.clone());
        self.change(who, move |step| {
            let run = any_run(step, run)?;
            let client = client_of(step.world, &run).cloned();
            let Some((behind, client)) = behind(&run).zip(client) else {
                let message = format!("no client stands behind run `{}`", run.id);
                return Err(AdminError::new(AdminKind::Conflict, message)
                    .hint("whoever launched it can open another one with `marque run`"));
            };
            let client = match behind {
                Behind::Client(_) if client.state == ClientState::Suspended => {
                    step.save(Client { state: ClientState::Active, ..client })?.fact.clone()
                }
                _ => match behind
                    .stop()
                    .filter(|_| behind.stopped_until(step.world, step.now).is_some())
                {
                    Some(stop) => {
                        step.forget_stop(stop);
                        client
                    }
                    None => return Err(not_stopped(&run, &client)),
                },
            };
            let fact = step.world.clients.get(client.id).map(|client| client.reference());
            let entry = changed(Verb::ClientResumed, &by, fact, &client.name);
            step.append(entry.detail("run", run.id).event())?;
            Ok(plane.show(step.world).client(&client))
        })
        .await
    }
}

fn not_stopped(run: &Run, client: &Client) -> AdminError {
    let message = format!(
        "nobody behind run `{}` is stopped; client `{}` is {}",
        run.id,
        client.name,
        client.state.word()
    );
    AdminError::new(AdminKind::Conflict, message)
}
