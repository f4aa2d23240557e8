//! `marque key retire`

use clap::{Args, ValueEnum};
use marque_api::exchange::RetireTokenKeyBody;
use marque_plane::view::KeyView;

use crate::cli::Rehearsal;
use crate::client::Request;
use crate::context::Context;
use crate::exit::Exit;

/// Take a key of tokens out of use at once, after a theft
///
/// A retired key verifies what it signed until that is over, and a prepared one is published before
/// it signs. This ends either now: nothing it signed is good here any more, and who verifies
/// elsewhere lets go of it within five minutes, when they next fetch the published keys. The key
/// that signs is refused: rotate first.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque key list
  marque key retire token fJWzq6…
  marque key retire token fJWzq6… --dry-run")]
pub(crate) struct Retire {
    /// What it is for
    #[arg(value_name = "PURPOSE")]
    which: Which,
    /// Its id, as `marque key list` prints it
    key: String,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    Token,
}

impl Retire {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let Which::Token = self.which;
        let body = RetireTokenKeyBody { key: self.key };
        let request = Request::post("/v1/keys/token/retire").json(&body)?;
        let request = request.dry_run(self.rehearsal.dry_run);
        let keys: Vec<KeyView> = context.human().await?.send(&request).await?;
        context.output.result(&keys, |keys| super::list::text(keys))?;
        Ok(Exit::Done)
    }
}
