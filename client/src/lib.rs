//! For services that verify Marque's tokens, and for runs that fetch them.
//!
//! A token says who calls: whose authority is used, which agent presents it, in which run. A
//! service believes it after every check of [`Verifier`], offline but for the keys, and needs five
//! lines for that:
//!
//! ```
//! use axum::{Extension, Router, routing::get};
//! use marque_client::{Caller, ChainPolicy, Verifier, VerifyLayer};
//!
//! # fn app() -> Result<Router, Box<dyn std::error::Error>> {
//! let verifier = Verifier::builder("https://id.acme.example", "https://api.acme.example/invoices")
//!     .policy(ChainPolicy::new().trust_domain("acme.example")?)
//!     .build()?;
//! let app = Router::new()
//!     .route("/invoices", get(async |Extension(caller): Extension<Caller>| {
//!         format!("{} for {}", caller.presenter(), caller.subject())
//!     }))
//!     .layer(VerifyLayer::new(verifier).scope("invoices:read")?);
//! # Ok(app) }
//! # app().unwrap();
//! ```
//!
//! A run asks [`TokenSource`] for its tokens, which are bound to a key that nobody else has:
//!
//! ```no_run
//! # async fn call() -> Result<(), Box<dyn std::error::Error>> {
//! use marque_client::TokenSource;
//!
//! let tokens = TokenSource::from_env("https://api.acme.example/invoices")?;
//! let mut request = http::Request::get("https://api.acme.example/invoices").body(())?;
//! tokens.authorize(&mut request).await?;
//! # Ok(()) }
//! ```
//!
//! What a token does not prove is a page of its own in the book: `security/token-does-not-prove`.

#![warn(missing_docs)]

mod ambient;
mod build;
mod caller;
mod client_key;
mod form;
mod http;
mod introspect;
mod kept;
mod keys;
mod layer;
mod nonces;
mod policy;
mod presented;
mod refusal;
mod replay;
mod server;
mod source;
mod status;
mod trust;
mod verifier;

pub use marque_wire::jose::JwkSet;
pub use marque_wire::oauth::{
    AccessTokenClaims, Act, Actor, AuthorizationDetail, AuthorizationDetails, ErrorCode,
    ProtectedResource, RunClaim, Scope, StepUp, TokenType,
};

pub use build::BuildError;
pub use caller::Caller;
pub use client_key::ClientKey;
pub use http::FetchError;
pub use layer::{VerifyLayer, VerifyService};
pub use policy::{ActorProblem, ChainPolicy};
pub use presented::ClientCertificate;
pub use refusal::{Reason, Refusal};
pub use source::{AccessToken, Subject, TokenError, TokenRefusal, TokenSource, TokenSourceBuilder};
pub use verifier::{Verifier, VerifierBuilder};

#[cfg(test)]
mod tests;
