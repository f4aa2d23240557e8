//! One token, asked for: a form with an assertion and a proof, and once more with a nonce.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use marque_crypto::Secret;
use marque_wire::jose::NumericDate;
use marque_wire::oauth::{
    AuthorizationDetails, Htu, ProofDraft, ReceivedRefusal, ReceivedToken, Resource, Scope,
};

use super::{AccessToken, Subject, TokenError, TokenRefusal, nonce};
use crate::client_key::{ClientKey, fresh_name};
use crate::form::FormDraft;
use crate::http::{self, Answer, malformed};
use crate::kept::Fetched;
use crate::server::Server;

const ANSWER_MAX_BYTES: usize = 64 * 1024;
const EXCHANGE: &[u8] = b"urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &[u8] = b"urn:ietf:params:oauth:token-type:access_token";

/// What is asked for.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) resource: Resource,
    pub(super) scope: Scope,
    pub(super) details: AuthorizationDetails,
    pub(super) ground: Ground,
}

/// On which ground.
#[derive(Clone)]
pub(super) enum Ground {
    /// The client's own (RFC 6749 section 4.4).
    Client,
    /// Another token (RFC 8693).
    Subject(Arc<Subject>),
}

/// Asks for tokens as one client.
pub(super) struct Minter {
    pub(super) server: Arc<Server>,
    pub(super) client_id: Arc<str>,
    pub(super) client_key: Arc<ClientKey>,
    /// What tokens are bound to.
    pub(super) proof_key: Arc<ClientKey>,
    pub(super) ask: Ask,
    /// The newest nonce of the server, whoever asked.
    pub(super) nonce: Arc<Mutex<Option<String>>>,
}

impl Ask {
    pub(super) fn for_subject(&self, subject: Subject) -> Self {
        Self { ground: Ground::Subject(Arc::new(subject)), ..self.clone() }
    }
}

impl Minter {
    /// The same client, asking for something else.
    pub(super) fn asking(&self, ask: Ask) -> Self {
        Self {
            server: Arc::clone(&self.server),
            client_id: Arc::clone(&self.client_id),
            client_key: Arc::clone(&self.client_key),
            proof_key: Arc::clone(&self.proof_key),
            nonce: Arc::clone(&self.nonce),
            ask,
        }
    }

    pub(super) async fn mint(&self) -> Result<Fetched<AccessToken>, TokenError> {
        let endpoints = self.server.endpoints().await?;
        let url = &endpoints.token;
        let answer = self.ask_at(url).await?;
        let answer = match refusal(&answer) {
            // RFC 9449 section 8: with the nonce that came along, once.
            Some(refusal) if refusal.error == "use_dpop_nonce" => self.ask_at(url).await?,
            _ => answer,
        };
        if answer.status != 200 {
            return Err(match refusal(&answer) {
                Some(told) => TokenRefusal::of(answer.status.as_u16(), told).into(),
                None => answer.ok(url).err().map_or(TokenError::Unbound, TokenError::from),
            });
        }
        let received = ReceivedToken::read(&answer.body);
        self.accept(received.map_err(|problem| malformed(url, problem))?)
    }

    fn accept(&self, received: ReceivedToken) -> Result<Fetched<AccessToken>, TokenError> {
        // What anybody could present is not what was asked for.
        if !received.is_bound_to_key {
            return Err(TokenError::Unbound);
        }
        let life = Duration::from_secs(received.expires_in_secs);
        let scope = received.scope.unwrap_or_else(|| self.ask.scope.clone());
        let details = received.authorization_details;
        Ok(Fetched {
            value: AccessToken::new(received.access_token, scope, details),
            fresh: life * 2 / 3,
            // Not to its last second: a request takes time, and clocks differ.
            usable: life * 9 / 10,
        })
    }

    async fn ask_at(&self, url: &Resource) -> Result<Answer, TokenError> {
        let now = self.server.date();
        let ask = http::Ask {
            url,
            accept: "application/json",
            form: Some(self.form(now)?),
            proof: Some(self.proof(url, now)?),
            max_bytes: ANSWER_MAX_BYTES,
            // Each try has an assertion of its own.
            is_repeatable: false,
        };
        let answer = self.server.http.ask(ask).await?;
        if let Some(nonce) = nonce(&answer.headers) {
            *self.nonce.lock().unwrap_or_else(PoisonError::into_inner) = Some(nonce);
        }
        Ok(answer)
    }

    fn form(&self, now: NumericDate) -> Result<Secret, TokenError> {
        let ask = &self.ask;
        let assertion = self.client_key.assertion(&self.client_id, &self.server.issuer, now)?;
        let mut form = FormDraft::by(&assertion);
        match &ask.ground {
            Ground::Client => form.put("grant_type", b"client_credentials"),
            Ground::Subject(subject) => {
                form.put("grant_type", EXCHANGE);
                form.put("requested_token_type", ACCESS_TOKEN);
                form.put("subject_token", subject.token.expose());
                form.put("subject_token_type", subject.kind.as_str().as_bytes());
                if let Some((token, kind)) = &subject.actor {
                    form.put("actor_token", token.expose());
                    form.put("actor_token_type", kind.as_str().as_bytes());
                }
            }
        }
        form.put("resource", ask.resource.as_str().as_bytes());
        if !ask.scope.is_empty() {
            form.put("scope", ask.scope.to_string().as_bytes());
        }
        if !ask.details.is_empty() {
            form.put("authorization_details", ask.details.to_json().to_string().as_bytes());
        }
        Ok(form.finish())
    }

    fn proof(&self, url: &Resource, now: NumericDate) -> Result<::http::HeaderValue, TokenError> {
        let target = Htu::parse(url.as_str()).map_err(|problem| malformed(url, problem))?;
        let nonce = self.nonce.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let draft = ProofDraft {
            jti: &fresh_name(),
            method: "POST",
            target: &target,
            iat: now,
            access_token_hash: None,
            nonce: nonce.as_deref(),
        };
        Ok(self.proof_key.proof(&draft)?)
    }
}

fn refusal(answer: &Answer) -> Option<ReceivedRefusal> {
    let is_refusal = answer.status.is_client_error() || answer.status.is_server_error();
    is_refusal.then(|| ReceivedRefusal::read(&answer.body).ok()).flatten()
}
