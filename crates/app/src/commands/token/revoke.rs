//! `marque token revoke`

use std::path::PathBuf;

use clap::Args;
use marque_api::exchange::{RevokeTokenBody, RevokedTokenView};
use marque_domain::{AccessToken, Id, Run};

use super::checked;
use super::source;
use crate::cli::Rehearsal;
use crate::client::Request;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::Fields;

/// Take one token back, before it ends by itself
///
/// The issuer and the gateway refuse it and everything it was exchanged for from then on. Whoever
/// verifies offline believes it until it ends, within minutes. The run goes on and may ask for
/// another: `marque kill` ends that.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque token revoke tok_01JD… --run run_01JD…
  marque token revoke --token leaked.token
  marque token revoke --token - < leaked.token")]
pub(crate) struct Revoke {
    /// Its id, the claim `jti`
    #[arg(value_name = "TOKEN_ID", requires = "run", required_unless_present = "token")]
    id: Option<Id<AccessToken>>,
    /// The run it is of
    #[arg(long, value_name = "RUN", requires = "id")]
    run: Option<Id<Run>>,
    /// The token itself, in a file, or on standard input for `-`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["id", "run"])]
    token: Option<PathBuf>,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

impl Revoke {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let which = match (self.id, self.run, &self.token) {
            (Some(token), Some(run), _) => RevokeTokenBody { token, run },
            (_, _, Some(file)) => named_by(file)?,
            _ => return Err(Failure::new(Exit::Usage, "name a token and its run").into()),
        };
        let request = Request::post("/v1/tokens/revoke").json(&which)?;
        let request = request.dry_run(self.rehearsal.dry_run);
        let revoked: RevokedTokenView = context.human().await?.send(&request).await?;
        context.output.result(&revoked, |revoked| {
            Fields::default()
                .with("token", revoked.token)
                .with("run", revoked.run)
                .with("state", "taken back")
                .text()
        })?;
        Ok(Exit::Done)
    }
}

// What it says of itself is enough: whoever takes a token back harms nobody but its holder, and is
// a human here.
fn named_by(file: &std::path::Path) -> Result<RevokeTokenBody, Failure> {
    let claims = checked::unverified(&source::read(file)?)?;
    let not_ours = || {
        Failure::new(Exit::Failed, "the token is of no run of this plane")
            .hint("only the issuer of a token can take it back")
    };
    let token = claims.jti.parse().map_err(|_| not_ours())?;
    Ok(RevokeTokenBody { token, run: claims.run.ok_or_else(not_ours)?.id })
}
