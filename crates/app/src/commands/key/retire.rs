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
/// that signs is refused: rotate first, or say `--now`.
///
/// With `--now` the key that signs goes too. The one that was published to be the next signs at
/// once, or else a fresh one. Every token of the retired key is good no more here, so clients ask
/// for another; who verifies elsewhere may refuse tokens of a fresh key, and still take those of
/// the stolen one, until they next fetch the published keys.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque key list
  marque key retire token fJWzq6…
  marque key retire token fJWzq6… --dry-run
  marque key retire token fJWzq6… --now")]
pub(crate) struct Retire {
    /// What it is for
    #[arg(value_name = "PURPOSE")]
    which: Which,
    /// Its id, as `marque key list` prints it
    key: String,
    /// Also if it signs: another one signs from this moment, and all its tokens end
    #[arg(long)]
    now: bool,
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
        let body = RetireTokenKeyBody { key: self.key, now: self.now };
        let request = Request::post("/v1/keys/token/retire").json(&body)?;
        let request = request.dry_run(self.rehearsal.dry_run);
        let keys: Vec<KeyView> = context.human().await?.send(&request).await?;
        context.output.result(&keys, |keys| super::list::text(keys))?;
        if self.now && !self.rehearsal.dry_run {
            context.output.remark(
                "Every token that key signed is good no more here: their holders ask for another \
                 one. Who verifies elsewhere goes by the keys they fetched last, for five minutes \
                 at most: until then they may refuse new tokens, and take stolen ones.",
            );
        }
        Ok(Exit::Done)
    }
}
