//! The tower layer: a request goes on with its [`Caller`], or is answered with a refusal.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response};
use marque_wire::oauth::{BadScope, Scope, StepUp};
use tower_layer::Layer;
use tower_service::Service;

use crate::caller::Caller;
use crate::refusal::Refusal;
use crate::verifier::Verifier;

/// Verifies every request before the service sees it, and puts its [`Caller`] into the extensions.
///
/// What it refuses it answers itself, with an empty body, the challenges in its head, and the
/// [`Refusal`] in the extensions of the answer. Requests that need no token, as a preflight of CORS
/// or the resource's metadata, are served outside of it. Within a router that takes a part of each
/// path away, say so with [`crate::VerifierBuilder::origin`].
#[derive(Clone)]
pub struct VerifyLayer {
    verifier: Verifier,
    scope: Scope,
    step_up: Option<StepUp>,
}

impl VerifyLayer {
    /// Lets in whom `verifier` believes.
    pub fn new(verifier: Verifier) -> Self {
        Self { verifier, scope: Scope::default(), step_up: None }
    }

    /// Demands all of these scopes, with one space between them: 403 `insufficient_scope`.
    ///
    /// # Errors
    /// [`BadScope`] for what no token could have.
    pub fn scope(self, scope: &str) -> Result<Self, BadScope> {
        Ok(Self { scope: Scope::parse(scope)?, ..self })
    }

    /// Demands that the person was authenticated so: 401 `insufficient_user_authentication`.
    #[must_use]
    pub fn step_up(self, step_up: StepUp) -> Self {
        Self { step_up: Some(step_up), ..self }
    }

    fn admit(&self, caller: &Caller) -> Result<(), Refusal> {
        caller.require_scope(&self.scope)?;
        match &self.step_up {
            Some(step_up) => caller.require_authentication(step_up),
            None => Ok(()),
        }
    }
}

impl<S> Layer<S> for VerifyLayer {
    type Service = VerifyService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        VerifyService { layer: self.clone(), inner }
    }
}

/// What [`VerifyLayer`] makes of a service.
#[derive(Clone)]
pub struct VerifyService<S> {
    layer: VerifyLayer,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for VerifyService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that was found ready goes along, and a clone of it takes its place.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let verified = layer.verifier.verify(&parts).await;
            let admitted = verified.and_then(|caller| layer.admit(&caller).map(|()| caller));
            let mut response = match admitted {
                Ok(caller) => {
                    parts.extensions.insert(caller);
                    inner.call(Request::from_parts(parts, body)).await?
                }
                Err(refusal) => refusal.into_response(),
            };
            let nonce = layer.verifier.nonce().and_then(|text| HeaderValue::from_str(&text).ok());
            if let Some(nonce) = nonce {
                response.headers_mut().insert("dpop-nonce", nonce);
            }
            Ok(response)
        })
    }
}
