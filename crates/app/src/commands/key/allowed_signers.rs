//! `marque key allowed-signers`

use clap::Args;
use marque_plane::view::AllowedSignersView;

use crate::client::Request;
use crate::context::Context;
use crate::exit::Exit;

/// Print what verifies the commits of runs, as git reads it
///
/// One line for each key that signs or signed what runs commit. It holds no secret: keep it where
/// commits are verified, and name it to git with `gpg.ssh.allowedSignersFile`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque key allowed-signers > allowed_signers
  git -c gpg.ssh.allowedSignersFile=allowed_signers log --show-signature")]
pub(crate) struct AllowedSigners {}

impl AllowedSigners {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let request = Request::get("/v1/keys/git/allowed-signers");
        let signers: AllowedSignersView = context.human().await?.send(&request).await?;
        context.output.result(&signers, |signers| signers.text.clone())?;
        Ok(Exit::Done)
    }
}
