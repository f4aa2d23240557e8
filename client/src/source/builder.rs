//! How a source of tokens is configured.

use std::sync::{Arc, Mutex};

use marque_wire::oauth::{AuthorizationDetails, BadUri, Htu, Scope};

use super::{Ask, Ground, Minter, Subject, TokenSource};
use crate::ambient::variable;
use crate::build::BuildError;
use crate::client_key::ClientKey;
use crate::server::ServerDraft;
use crate::verifier::resource;

/// Builds a [`TokenSource`]. No `Debug`: it holds keys and tokens.
#[must_use]
pub struct TokenSourceBuilder {
    server: ServerDraft,
    client_id: String,
    resource: String,
    origin: Option<String>,
    client_key: Option<ClientKey>,
    proof_key: Option<ClientKey>,
    scope: String,
    details: String,
    subject: Option<Subject>,
}

impl TokenSourceBuilder {
    pub(super) fn new(issuer: &str, client_id: &str, resource: &str) -> Self {
        Self {
            server: ServerDraft { issuer: issuer.to_owned(), ..ServerDraft::default() },
            client_id: client_id.to_owned(),
            resource: resource.to_owned(),
            origin: None,
            client_key: None,
            proof_key: None,
            scope: String::new(),
            details: String::new(),
            subject: None,
        }
    }

    /// As the environment of a run has it: `MARQUE_ISSUER`, `MARQUE_CLIENT_ID`, `MARQUE_KEY_FILE`.
    ///
    /// # Errors
    /// [`BuildError`] where one is not set, or the key cannot be read.
    pub fn from_env(resource: &str) -> Result<Self, BuildError> {
        let need = |name| variable(name).ok_or(BuildError::Environment(name));
        let source = Self::new(&need("MARQUE_ISSUER")?, &need("MARQUE_CLIENT_ID")?, resource);
        Ok(source.client_key(ClientKey::from_file(need("MARQUE_KEY_FILE")?)?))
    }

    /// Proves the client by this key, whose public half the server knows. Without one, a fresh key
    /// is made, which is of use only where the server is told of it.
    pub fn client_key(mut self, key: ClientKey) -> Self {
        self.client_key = Some(key);
        self
    }

    /// Binds tokens to this key. Without one, a fresh key is made, which is what it should be: who
    /// finds it finds nothing that lasts.
    pub fn proof_key(mut self, key: ClientKey) -> Self {
        self.proof_key = Some(key);
        self
    }

    /// Trusts these certificate authorities, in PEM, beside those of the system.
    pub fn ca_pem(mut self, pem: &[u8]) -> Self {
        self.server.ca_pem = Some(pem.to_vec());
        self
    }

    /// Where requests with these tokens go, if not to the scheme, host and port of the resource: an
    /// origin, perhaps with the start of a path.
    pub fn origin(mut self, url: &str) -> Self {
        self.origin = Some(url.to_owned());
        self
    }

    /// Asks for these scopes, with one space between them.
    pub fn scope(mut self, scope: &str) -> Self {
        scope.clone_into(&mut self.scope);
        self
    }

    /// Asks for these details: a JSON list (RFC 9396 section 2).
    pub fn authorization_details(mut self, details: &str) -> Self {
        details.clone_into(&mut self.details);
        self
    }

    /// Exchanges the token of a subject (RFC 8693) instead of asking by the client's own right.
    pub fn subject(mut self, subject: Subject) -> Self {
        self.subject = Some(subject);
        self
    }

    #[cfg(test)]
    pub(crate) fn clock(mut self, clock: Arc<dyn crate::ambient::Clock>) -> Self {
        self.server.clock = Some(clock);
        self
    }

    /// The source. Nothing is fetched before a token is asked for.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(self) -> Result<TokenSource, BuildError> {
        let is_id = |id: &str| id.bytes().all(|byte| byte.is_ascii_graphic());
        if self.client_id.is_empty() || !is_id(&self.client_id) {
            return Err(BuildError::ClientId);
        }
        let parsed = resource(self.resource)?;
        let origin = match self.origin {
            Some(url) => resource(url)?,
            None => resource(parsed.origin().to_owned())?,
        };
        let url = origin.to_string();
        let place =
            Htu::parse(&url).map_err(|_| BuildError::Resource { url, problem: BadUri::Path })?;
        let place = place.as_str().trim_end_matches('/').to_owned();
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let scope = some(&self.scope).map(|text| Scope::parse(&text)).transpose()?;
        let details = some(&self.details).map(|text| AuthorizationDetails::parse(&text));
        let ask = Ask {
            resource: parsed.clone(),
            scope: scope.unwrap_or_default(),
            details: details.transpose()?.unwrap_or_default(),
            ground: self.subject.map_or(Ground::Client, |it| Ground::Subject(Arc::new(it))),
        };
        let key = |key: Option<ClientKey>| key.map_or_else(ClientKey::generate, Ok).map(Arc::new);
        let minter = Minter {
            server: self.server.build()?,
            client_id: self.client_id.into(),
            client_key: key(self.client_key)?,
            proof_key: key(self.proof_key)?,
            ask,
            nonce: Arc::new(Mutex::default()),
        };
        Ok(TokenSource::new(Arc::new(minter), parsed, place))
    }
}
