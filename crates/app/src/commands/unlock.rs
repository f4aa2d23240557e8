//! `marque unlock`

use clap::Args;
use marque_api::exchange::UnlockBody;
use marque_plane::view::UnlockView;

use crate::client::{Request, connect_or_start};
use crate::config::Span;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Fields;

/// Let this terminal administer for a while
///
/// Asks for the passphrase once; until the time is over, administrative commands in this terminal
/// need it no more. Recorded in the log. Giving an approval asks for it every time, and nothing
/// that a run started can use it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque unlock
  marque unlock --ttl 30m")]
pub(crate) struct Unlock {
    /// For how long
    #[arg(long, value_name = "SPAN", default_value = "10m")]
    ttl: Span,
}

impl Unlock {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let client = context.client();
        connect_or_start(context, &client).await?;
        let body = UnlockBody { ttl_secs: self.ttl.0.as_secs() };
        let request = Request::post("/v1/unlock").json(&body)?.present();
        let unlocked: UnlockView = client.send(&request).await?;
        context.output.result(&unlocked, |unlocked| {
            Fields::default()
                .with("unlocked for", &unlocked.user)
                .with("until", unlocked.until)
                .text()
        })?;
        Ok(Exit::Done)
    }
}
