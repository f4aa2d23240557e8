//! Asking the issuer about a token (RFC 7662): the newest there is to know, each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use marque_crypto::hash::sha256;
use marque_domain::{Digest, Timestamp};
use marque_wire::oauth::{AccessTokenClaims, Introspection};

use crate::client_key::ClientKey;
use crate::form::FormDraft;
use crate::http::{Ask, FetchError, malformed};
use crate::refusal::Reason;
use crate::server::Server;

/// How many answers are kept.
const KEPT_MAX: usize = 8192;
const ANSWER_MAX_BYTES: usize = 64 * 1024;

/// Asks, as a client of the issuer.
pub(crate) struct Introspector {
    server: Arc<Server>,
    client_id: String,
    key: ClientKey,
    keep: Duration,
    /// By the hash of a token, whether it was good and until when that is believed.
    kept: Mutex<HashMap<Digest, (bool, Timestamp)>>,
}

impl Introspector {
    pub(crate) fn new(
        server: Arc<Server>,
        client_id: String,
        key: ClientKey,
        keep: Duration,
    ) -> Self {
        Self { server, client_id, key, keep, kept: Mutex::default() }
    }

    /// Fails unless the issuer says that the token is good, now or within the time that its answer
    /// is kept.
    pub(crate) async fn check(
        &self,
        token: &[u8],
        claims: &AccessTokenClaims,
    ) -> Result<(), Reason> {
        let name = sha256(token);
        if let Some(is_active) = self.recall(&name) {
            return verdict(is_active);
        }
        let asked = self.server.now();
        let is_active = self.ask(token, claims).await.map_err(Reason::Unavailable)?;
        self.keep(name, is_active, asked);
        verdict(is_active)
    }

    fn recall(&self, name: &Digest) -> Option<bool> {
        if self.keep.is_zero() {
            return None;
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (is_active, until) = kept.get(name).copied()?;
        (self.server.now() < until).then_some(is_active)
    }

    /// From when it was asked: what happened while it was answered may not be in the answer.
    fn keep(&self, name: Digest, is_active: bool, asked: Timestamp) {
        if self.keep.is_zero() {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.retain(|_, (_, until)| self.server.now() < *until);
        }
        // Where there is no room, the issuer is asked again.
        if kept.len() < KEPT_MAX {
            kept.insert(name, (is_active, asked.plus(self.keep)));
        }
    }

    async fn ask(&self, token: &[u8], claims: &AccessTokenClaims) -> Result<bool, FetchError> {
        let endpoints = self.server.endpoints().await?;
        let url = endpoints.introspection.as_ref();
        let url = url.ok_or_else(|| malformed(&endpoints.jwks, "there is no introspection"))?;
        let unsigned = |problem| malformed(url, problem);
        let issuer = &self.server.issuer;
        let assertion = self.key.assertion(&self.client_id, issuer, self.server.date());
        let mut form = FormDraft::by(&assertion.map_err(unsigned)?);
        form.put("token", token);
        form.put("token_type_hint", b"access_token");
        let ask = Ask {
            url,
            accept: "application/json",
            form: Some(form.finish()),
            proof: None,
            max_bytes: ANSWER_MAX_BYTES,
            // If the issuer did read it before a kept connection broke, the assertion is used up,
            // and the second try is refused like any other question without an answer.
            is_repeatable: true,
        };
        let answer = self.server.http.ask(ask).await?.ok(url)?;
        let told = Introspection::read(&answer.body);
        match told.map_err(|problem| malformed(url, problem))? {
            Introspection::Inactive => Ok(false),
            // Another token's answer says nothing of this one.
            Introspection::Active { claims: told, .. } => Ok(told.jti == claims.jti),
        }
    }
}

fn verdict(is_active: bool) -> Result<(), Reason> {
    if is_active { Ok(()) } else { Err(Reason::Revoked) }
}
