//! `marque key rotate`

use clap::{Args, ValueEnum};
use marque_plane::view::RotatedView;

use crate::cli::Rehearsal;
use crate::client::Request;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Fields;

/// Retire a key for a new one, as after a theft
///
/// `log`: the key that signs the log's checkpoints. The new key is recorded in the log, in the last
/// entry that the old one vouches for; what was signed before still verifies, and whatever the old
/// key signs from then on is refused. The old key is destroyed on this machine. Other servers of
/// the plane end, until they are given this one's folder `keys`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque key rotate log
  marque key rotate log --dry-run")]
pub(crate) struct Rotate {
    /// Which key
    #[arg(value_name = "KEY")]
    which: Which,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    Log,
}

impl Rotate {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = match self.which {
            Which::Log => "/v1/keys/log/rotate",
        };
        let request = Request::post(path).dry_run(self.rehearsal.dry_run);
        let rotated: RotatedView = context.human().await?.send(&request).await?;
        context.output.result(&rotated, |rotated| {
            Fields::default()
                .with("entry", rotated.index)
                .with("retired", &rotated.old)
                .with("log key", &rotated.new)
                .text()
        })?;
        if !self.rehearsal.dry_run {
            context.output.remark(
                "Keep the new log key where you kept the old one, and copy the folder `keys` to \
                 the other servers of this plane.",
            );
        }
        Ok(Exit::Done)
    }
}
