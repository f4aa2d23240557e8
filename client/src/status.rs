//! Status lists (draft-ietf-oauth-status-list): which tokens of the issuer are revoked.
//!
//! A list is fetched when it is due, verified like a token, and kept as long as it says. The newest
//! counts: a list that is due is used only where it cannot be fetched, and not for long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use marque_wire::jose::{TokenClass, Unverified};
use marque_wire::oauth::{BadStatusList, Resource, Status, StatusListClaims, StatusReference};

use crate::http::{FetchError, malformed};
use crate::kept::{Absent, Fetched, Kept};
use crate::keys::Keys;
use crate::refusal::Reason;
use crate::server::Server;

/// Within which bounds the `ttl` of a list is believed, and what holds without one.
const FRESH_MIN: Duration = Duration::from_secs(1);
const FRESH_MAX: Duration = Duration::from_secs(3600);
const FRESH: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(1);
const LIST_MAX_BYTES: usize = 2 * 1024 * 1024;
/// How many lists are kept: at most so many megabytes.
const LISTS_MAX: usize = 64;

type List = Kept<StatusListClaims, FetchError>;

/// The lists of one issuer.
pub(crate) struct StatusLists {
    server: Arc<Server>,
    keys: Arc<Keys>,
    stale: Duration,
    lists: Mutex<HashMap<Resource, Arc<List>>>,
}

impl StatusLists {
    pub(crate) fn new(server: Arc<Server>, keys: Arc<Keys>, stale: Duration) -> Self {
        Self { server, keys, stale, lists: Mutex::default() }
    }

    /// Fails unless the token at this place is good.
    pub(crate) async fn check(&self, place: &StatusReference) -> Result<(), Reason> {
        if place.uri.origin() != self.server.issuer.origin() {
            return Err(Reason::Status(BadStatusList::OtherList));
        }
        let list = self.list(&place.uri).get(|_| true).await.map_err(|absent| match absent {
            Absent::Failed(problem) => Reason::Unavailable(problem),
            Absent::Other => Reason::Status(BadStatusList::Stale),
        })?;
        let at = usize::try_from(place.idx).map_err(|_| BadStatusList::OutOfRange)?;
        match list.list.status(at)? {
            Status::Valid => Ok(()),
            Status::Invalid | Status::Suspended | Status::Other(_) => Err(Reason::Revoked),
        }
    }

    fn list(&self, uri: &Resource) -> Arc<List> {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(list) = lists.get(uri) {
            return Arc::clone(list);
        }
        if lists.len() == LISTS_MAX {
            // What is still needed is fetched again.
            lists.clear();
        }
        let (server, keys) = (Arc::clone(&self.server), Arc::clone(&self.keys));
        let (stale, at) = (self.stale, uri.clone());
        let list = Kept::new(Arc::clone(&self.server.clock), PAUSE, move || {
            let (server, keys, at) = (Arc::clone(&server), Arc::clone(&keys), at.clone());
            Box::pin(async move { fetch(&server, &keys, &at, stale).await })
        });
        let list = Arc::new(list.waiting());
        lists.insert(uri.clone(), Arc::clone(&list));
        list
    }
}

async fn fetch(
    server: &Server,
    keys: &Keys,
    at: &Resource,
    stale: Duration,
) -> Result<Fetched<StatusListClaims>, FetchError> {
    let answer = server.get(at, "application/statuslist+jwt", LIST_MAX_BYTES).await?;
    let token = Unverified::parse(TokenClass::StatusList, answer.body.trim_ascii());
    let token = token.map_err(|problem| malformed(at, problem))?;
    let key_id = token.key_id().ok_or_else(|| malformed(at, Reason::UnknownKey))?.to_owned();
    let known = keys.with(&key_id).await.map_err(|reason| malformed(at, reason))?;
    let key = known.find(&key_id).ok_or_else(|| malformed(at, Reason::UnknownKey))?;
    let verified = token.verify_ours(key).map_err(|problem| malformed(at, problem))?;
    let now = server.date();
    let value = StatusListClaims::read(verified, at, now);
    let value = value.map_err(|problem| malformed(at, problem))?;
    let left = value.exp.map(|exp| Duration::from_secs(exp.seconds_since(now)));
    let left = left.unwrap_or(Duration::MAX);
    let ttl = value.ttl_secs.map_or(FRESH, Duration::from_secs);
    let fresh = ttl.clamp(FRESH_MIN, FRESH_MAX).min(left);
    Ok(Fetched { value, fresh, usable: fresh.saturating_add(stale).min(left) })
}
