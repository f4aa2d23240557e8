//! `marque token issue`

use clap::Args;

use super::ask::AskArgs;
use super::form::FormDraft;
use crate::context::Context;
use crate::exit::Exit;

/// Fetch an access token for one resource
///
/// Inside a run it is the run's own, asked for at the run's own socket. Outside, a registered
/// client asks over the network with its key. The token goes to standard output alone; it is bound
/// to a key, which whoever presents it proves to hold with each request (DPoP, RFC 9449).
///
/// Exits with 4 if a human must approve it first; ask for the same again then, or wait for them
/// with `--wait`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque run --agent closer -- marque token issue --resource https://billing.example/ \\
      --scope invoices:read > token
  marque token issue --client cli_01JD… --key nightly.key --issuer https://id.acme.example \\
      --resource https://billing.example/ --confirm-key nightly.key > token
  marque token issue --resource https://tools.example/ --details \\
      details.json > token")]
pub(crate) struct Issue {
    #[command(flatten)]
    ask: AskArgs,
}

impl Issue {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let ground = FormDraft::default().with("grant_type", b"client_credentials");
        self.ask.run(context, ground).await
    }
}
