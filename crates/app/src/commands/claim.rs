//! `marque claim`

use clap::Args;
use marque_domain::UserName;
use marque_plane::view::ClaimView;

use crate::client::{Request, connect_or_start};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::Fields;

/// Become the administrator of a new plane
///
/// Done once, by the owner of the data directory, at a terminal. Sets the passphrase that proves
/// you from now on, and becomes entry 0 of the log. Starts a server if none runs.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque claim
  marque claim --name alice
  marque claim --name ci --passphrase-file /run/secrets/marque")]
pub(crate) struct Claim {
    /// What you are called [default: your login name]
    #[arg(long, value_name = "NAME")]
    name: Option<UserName>,
}

impl Claim {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let name = match self.name {
            Some(name) => name,
            None => login_name(context)?,
        };
        let client = context.client();
        let status = connect_or_start(context, &client).await?;
        if let Some(claimed) = status.claimed {
            let message = format!("this plane was claimed by `{}` at {}", claimed.by, claimed.at);
            return Err(Failure::new(Exit::Refused, message)
                .hint("a plane is claimed once; only its administrator can let others in")
                .into());
        }
        let passphrase = context.factor.ask_new()?;
        let request = Request::post("/v1/claim").by_user(name.as_str(), passphrase);
        let claim: ClaimView = client.send(&request).await?;
        context.output.result(&claim, |claim| {
            Fields::default()
                .with("claimed by", &claim.by)
                .with("at", claim.at)
                .with("log key", &claim.log_key)
                .text()
        })?;
        context.output.remark(
            "Keep the log key somewhere else: with it anybody can check the log, and nobody can \
             forge it.",
        );
        Ok(Exit::Done)
    }
}

fn login_name(context: &Context) -> Result<UserName, Failure> {
    let name = context.environment.text("USER").or_else(|| context.environment.text("LOGNAME"));
    let name = name.and_then(|name| name.parse().ok());
    name.ok_or_else(|| {
        Failure::new(Exit::Usage, "your login name cannot be told from the environment")
            .hint("say what you are called: `marque claim --name NAME`")
    })
}
