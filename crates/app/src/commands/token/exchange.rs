//! `marque token exchange`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ask::AskArgs;
use super::form::FormDraft;
use super::source;
use crate::context::Context;
use crate::exit::{Exit, Failure};

const GRANT: &[u8] = b"urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &[u8] = b"urn:ietf:params:oauth:token-type:access_token";

/// Exchange a token that came to you for the next one of its chain
///
/// Whoever serves a resource may exchange a token that was presented there for one to call further
/// on (RFC 8693). It keeps whose authority is used, adds who acts, and can only narrow: what it
/// allows and how long it is good is within the first one. When that ends, so does this.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque token exchange --subject incoming.token --resource https://ledger.example/ \\
      --scope invoices:read --client cli_01JD… --key biller.key > next.token
  marque token exchange --subject - --resource https://ledger.example/ < incoming.token")]
pub(crate) struct Exchange {
    /// The token of whoever's authority is used, in a file, or on standard input for `-`
    #[arg(long, value_name = "FILE")]
    subject: PathBuf,
    /// What the subject is
    #[arg(long, value_name = "TYPE", value_enum, default_value_t = Kind::AccessToken)]
    subject_type: Kind,
    /// A token of who acts, in a file [default: whoever asks]
    #[arg(long, value_name = "FILE")]
    actor: Option<PathBuf>,
    #[command(flatten)]
    ask: AskArgs,
}

/// Types of tokens that can be exchanged.
#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// An access token
    AccessToken,
    /// An ID token
    IdToken,
    /// A token of another issuer
    Jwt,
}

impl Kind {
    fn urn(self) -> &'static [u8] {
        match self {
            Self::AccessToken => ACCESS_TOKEN,
            Self::IdToken => b"urn:ietf:params:oauth:token-type:id_token",
            Self::Jwt => b"urn:ietf:params:oauth:token-type:jwt",
        }
    }
}

impl Exchange {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let is_stdin = |path: &PathBuf| path.as_os_str() == "-";
        if is_stdin(&self.subject) && self.actor.as_ref().is_some_and(is_stdin) {
            return Err(Failure::new(Exit::Usage, "standard input holds one token, not two").into());
        }
        let subject = source::read(&self.subject)?;
        let mut ground = FormDraft::default()
            .with("grant_type", GRANT)
            .with("requested_token_type", ACCESS_TOKEN)
            .with("subject_token", subject.expose())
            .with("subject_token_type", self.subject_type.urn());
        if let Some(actor) = &self.actor {
            let actor = source::read(actor)?;
            ground =
                ground.with("actor_token", actor.expose()).with("actor_token_type", ACCESS_TOKEN);
        }
        self.ask.run(context, ground).await
    }
}
