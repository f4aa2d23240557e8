//! `marque approval give`

use clap::Args;
use marque_api::exchange::ApproveBody;
use marque_domain::Digest;
use marque_plane::view::ApprovalView;

use crate::cli::Rehearsal;
use crate::client::{Request, encode};
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Output;

/// Say yes, once, to exactly the operation that was asked for
///
/// Shows the operation, then asks for the passphrase, every time. With `--digest` the yes holds
/// only for the operation that was looked at before.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque approval give apr_01JD…
  marque approval give apr_01JD… --digest sha256:… --passphrase-file FILE")]
pub(crate) struct Give {
    /// The approval's id
    approval: String,
    /// The digest of the operation you mean, from `marque approval show`
    #[arg(long)]
    digest: Option<Digest>,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

impl Give {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let client = context.human().await?;
        let path = format!("/v1/approvals/{}", encode(&self.approval));
        let digest = if let Some(digest) = self.digest {
            digest
        } else {
            // threat 127: the yes is bound to what is on the screen, not to the id.
            let asked: ApprovalView = client.send(&Request::get(path.clone())).await?;
            Output::must_be_seen(&super::text(&asked));
            asked.approval.digest
        };
        let request = Request::post(format!("{path}/give"))
            .json(&ApproveBody { digest })?
            .dry_run(self.rehearsal.dry_run)
            .present();
        let given: ApprovalView = client.send(&request).await?;
        context.output.result(&given, |given| {
            let (id, state) = (given.approval.id, &given.state);
            format!("{id} is {state}, good for one use until {}", given.approval.until)
        })?;
        Ok(Exit::Done)
    }
}
