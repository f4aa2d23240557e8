//! A service that lets in whoever has a token of Marque for it.
//!
//! ```console
//! $ cargo run -p marque-client --example resource_server -- ISSUER AUDIENCE [CA_FILE] [ADDRESS]
//! ```
//!
//! `SSL_CERT_FILE` names the authority of the issuer as well. It listens on 127.0.0.1:8801 where
//! nothing is said, without TLS: put it behind something that ends TLS, and the audience is the URL
//! that the world sees.

use std::error::Error;

use axum::routing::get;
use axum::{Extension, Router};
use marque_client::{Caller, Verifier, VerifyLayer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let issuer = arguments.next().ok_or("say which issuer")?;
    let audience = arguments.next().ok_or("say which audience: the URL of this service")?;
    let ca_file = arguments.next().filter(|path| !path.is_empty());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8801".to_owned());

    let mut verifier = Verifier::builder(&issuer, &audience);
    if let Some(path) = ca_file {
        verifier = verifier.ca_pem(&std::fs::read(path)?);
    }
    let layer = VerifyLayer::new(verifier.build()?).scope("invoices:read")?;
    let app = Router::new().route("/invoices", get(invoices)).layer(layer);

    let listener = tokio::net::TcpListener::bind(&address).await?;
    eprintln!("{audience} is served on http://{address}");
    Ok(axum::serve(listener, app).await?)
}

async fn invoices(Extension(caller): Extension<Caller>) -> String {
    let run = caller.run().map(|run| format!(" in run {}", run.id)).unwrap_or_default();
    format!("{} for {}{run}: {}\n", caller.presenter(), caller.subject(), caller.scope())
}
