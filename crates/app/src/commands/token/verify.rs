//! `marque token verify`

use std::path::PathBuf;

use clap::Args;
use marque_domain::Timestamp;
use marque_plane::Clock as _;
use marque_wire::jose::NumericDate;
use marque_wire::oauth::{
    AccessTokenClaims, Confirmation, DpopProof, ExpectedProof, ExpectedToken, Htu, Resource,
};
use serde_json::Value;

use super::desk::Desk;
use super::{checked, listed, service, source, words};
use crate::clock::SystemClock;
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// Check a token as the resource that it is for must
///
/// The signature by the keys that the issuer publishes now, the issuer, the audience and the time;
/// the status list where the token names one; with `--proof` the proof of possession that came
/// along, and with `--client` whether the run is still open, which only the issuer knows. Prints
/// what it says, and ends with 1 if anything does not hold. What was not asked for was not checked,
/// and is said.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque token verify token --issuer https://id.acme.example --audience https://billing.example/
  marque token verify token --issuer https://id.acme.example --audience https://billing.example/ \\
      --proof proof --method GET --url https://billing.example/v1/invoices
  marque token verify - --issuer https://id.acme.example --audience https://billing.example/ \\
      --client con_01JD… --key billing.key < token")]
pub(crate) struct Verify {
    /// The token, in a file, or on standard input for `-`
    #[arg(value_name = "FILE")]
    token: PathBuf,
    /// Who must have issued it
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// What it must be for
    #[arg(long, value_name = "URL")]
    audience: String,
    /// The DPoP proof that came along, in a file
    #[arg(long, value_name = "FILE", requires_all = ["method", "url"])]
    proof: Option<PathBuf>,
    /// The method of the request that the proof is for
    #[arg(long, value_name = "METHOD", requires = "proof")]
    method: Option<String>,
    /// Where that request went
    #[arg(long, value_name = "URL", requires = "proof")]
    url: Option<String>,
    /// Ask the issuer as this client or resource server whether the token is good now
    #[arg(long, value_name = "CLIENT_ID", requires = "key")]
    client: Option<String>,
    /// Its private key (0600), PKCS#8 in PEM
    #[arg(long, value_name = "FILE", requires = "client")]
    key: Option<PathBuf>,
}

impl Verify {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let token = source::read(&self.token)?;
        let issuer = service::named(context, Some(self.issuer.clone())).await?;
        let audience = Resource::parse(&self.audience)
            .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        let keys = service::keys(context, &issuer).await?;
        let now = SystemClock::start().now();
        let (claims, signature) = checked::verified(&token, (&keys, issuer.as_str()))?;
        let date = NumericDate::of(now);
        let expected = ExpectedToken { issuer: &issuer, audience: &audience, now: date };
        claims.check(&expected).map_err(|error| {
            Failure::new(Exit::Failed, format!("the token does not hold: {error}"))
                .hint("`marque token inspect` shows what it says")
        })?;
        let proven = self.check_proof(&claims, token.expose(), now)?;
        let keys = (&issuer, &keys);
        let listed = listed::must_be_good(context, keys, (&claims, date)).await?;
        let alive = match (self.client, self.key) {
            (Some(client), Some(key)) => {
                let desk =
                    Desk::find(context, (Some(client), Some(key)), Some(self.issuer)).await?;
                must_be_active(&desk.introspect(&token).await?)?;
                true
            }
            _ => false,
        };
        let inspected = super::inspect::Inspected::new(&claims, &signature, now);
        context.output.result(&inspected, |_| words::explain(&claims, &signature, now))?;
        context.output.remark(&summary(&claims, (proven, listed, alive)));
        Ok(Exit::Done)
    }

    /// Whether a proof was given; fails where it does not hold.
    fn check_proof(
        &self,
        claims: &AccessTokenClaims,
        token: &[u8],
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let (Some(file), Some(method), Some(url)) = (&self.proof, &self.method, &self.url) else {
            return Ok(false);
        };
        let proof = source::read(file)?;
        let Some(Confirmation::Key(bound)) = claims.cnf else {
            return Err(Failure::new(Exit::Failed, "the token is not bound to a key of proofs"));
        };
        let target = Htu::parse(url);
        let target =
            target.map_err(|error| Failure::new(Exit::Usage, format!("`{url}` is {error}")))?;
        let expected = ExpectedProof {
            method,
            target: &target,
            now: NumericDate::of(now),
            nonces: None,
            access_token: Some(token),
            key: Some(bound),
        };
        let checked = DpopProof::check(proof.expose(), &expected);
        checked.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        Ok(true)
    }
}

fn must_be_active(answer: &Value) -> Result<(), Failure> {
    if answer.get("active").and_then(Value::as_bool) == Some(true) {
        return Ok(());
    }
    Err(Failure::new(Exit::Failed, "the issuer says that the token is not good").hint(
        "it was taken back, its run is over, or it is not for whoever asks: `marque log query \
         --run RUN` shows which",
    ))
}

/// What was checked, and what was not.
fn summary(claims: &AccessTokenClaims, (proven, listed, alive): (bool, bool, bool)) -> String {
    let mut told = "Checked: the signature, the issuer, the audience and the time".to_owned();
    if listed {
        told.push_str(", its status list");
    }
    let mut left = Vec::new();
    for (was, what) in [(proven, "the proof of possession"), (alive, "that the run is open")] {
        if was {
            told.push_str(", ");
            told.push_str(what);
        } else {
            left.push(what);
        }
    }
    // What nobody can be asked to prove is no gap.
    if claims.cnf.is_none() {
        left.retain(|what| !what.starts_with("the proof"));
    }
    match left.as_slice() {
        [] => format!("{told}."),
        left => format!("{told}. Not checked: {}.", left.join(", ")),
    }
}
