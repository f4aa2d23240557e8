//! `marque whoami`

use clap::Args;
use marque_plane::view::WhoamiView;

use crate::client::Request;
use crate::commands::run::shown;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::Fields;

/// Say as whom this process acts
///
/// Inside a run: the agent, the run, what it may do and until when. Outside: the human this
/// terminal is unlocked for, if it is.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque whoami
  marque run --agent triage --task ticket:OPS-12 -- marque whoami")]
pub(crate) struct Whoami {}

impl Whoami {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let answer: WhoamiView = match context.run_client()? {
            Some(run) => run.send(&Request::get("/v1/run/whoami")).await?,
            None => outside(context).await?,
        };
        context.output.result(&answer, text)?;
        Ok(Exit::Done)
    }
}

/// A process that lost its run's variables is still inside the run, and the server knows.
async fn outside(context: &Context) -> Result<WhoamiView, Failure> {
    let client = context.human().await?;
    match client.send(&Request::get("/v1/whoami")).await {
        Err(failure) if failure.exit == Exit::Refused => {
            client.send(&Request::get("/v1/run/whoami")).await
        }
        answer => answer,
    }
}

fn text(answer: &WhoamiView) -> String {
    match answer {
        WhoamiView::Run(run) => shown::fields(run).text(),
        WhoamiView::User { user, id, until } => Fields::default()
            .with("user", user)
            .with("id", id)
            .maybe("unlocked until", *until)
            .text(),
        WhoamiView::Nobody => {
            "nobody: this terminal is not unlocked, and this process is in no run".to_owned()
        }
    }
}
