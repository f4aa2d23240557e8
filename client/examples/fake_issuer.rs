//! An issuer on loopback to try the other examples against. It gives its one client whatever it
//! asks for: it is for nothing else.
//!
//! ```console
//! $ cargo run -p marque-client --example fake_issuer -- DIRECTORY [ADDRESS]
//! ```
//!
//! It writes the private key of its client `ledger-writer` to `DIRECTORY/client.pem` and listens on
//! 127.0.0.1:8800 where nothing is said.

#[path = "../testing/issuer.rs"]
mod issuer;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marque_crypto::proof_key::ProofKey;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().ok_or("say in which directory the key goes")?);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8800".to_owned());

    let key = ProofKey::generate()?;
    let file = directory.join("client.pem");
    let text = STANDARD.encode(key.to_pkcs8()?.expose());
    std::fs::write(
        &file,
        format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"),
    )?;

    let issuer = issuer::FakeIssuer::start(address.parse()?, Arc::new(now)).await;
    let public = key.public().clone();
    issuer.turn(|knobs| knobs.clients.insert("ledger-writer".to_owned(), public));
    eprintln!("issuer {}, client ledger-writer, key {}", issuer.issuer, file.display());
    tokio::signal::ctrl_c().await?;
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an example has the clock of this machine"
)]
fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
