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
///
/// `git`: the key that signs what runs commit. Every server of the plane signs with the new key
/// from then on; the old one still verifies what it signed.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque key rotate log
  marque key rotate log --dry-run
  marque key rotate git")]
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
    Git,
}

impl Rotate {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = match self.which {
            Which::Log => "/v1/keys/log/rotate",
            Which::Git => "/v1/keys/git/rotate",
        };
        let request = Request::post(path).dry_run(self.rehearsal.dry_run);
        let rotated: RotatedView = context.human().await?.send(&request).await?;
        let (label, next) = match self.which {
            Which::Log => (
                "log key",
                "Keep the new log key where you kept the old one, and copy the folder `keys` to \
                 the other servers of this plane.",
            ),
            Which::Git => {
                ("git key", "Publish it where commits are verified: `marque key allowed-signers`.")
            }
        };
        context.output.result(&rotated, |rotated| {
            Fields::default()
                .with("entry", rotated.index)
                .with("retired", &rotated.old)
                .with(label, &rotated.new)
                .text()
        })?;
        if !self.rehearsal.dry_run {
            context.output.remark(next);
        }
        Ok(Exit::Done)
    }
}
