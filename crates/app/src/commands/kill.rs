//! `marque kill`

use clap::Args;
use marque_domain::UserName;
use marque_plane::spec::KillTarget;
use marque_plane::view::{KilledView, StoppedView};

use crate::cli::Rehearsal;
use crate::client::Request;
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// Stop a run, the runs of an agent or of a person's agents, or all of them, at once
///
/// Closes the runs and their children for good, cuts what they are sending and receiving, and
/// records who did it. Their commands are ended by their launchers, and tokens they hold are good
/// no more. A client of the token service whose run is killed is suspended, or the one job or
/// person that the run was for: it would open the next one otherwise. That holds for a run that is
/// over as well.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque kill run_01JD…
  marque kill triage
  marque kill --owner bob
  marque kill --all")]
pub(crate) struct Kill {
    /// A run's id, or an agent's name
    #[arg(
        value_name = "RUN|AGENT",
        required_unless_present_any = ["all", "owner"],
        conflicts_with_all = ["all", "owner"]
    )]
    which: Option<String>,
    /// Every run of the agents that this person owns
    #[arg(long, value_name = "USER", conflicts_with = "all")]
    owner: Option<UserName>,
    /// Every run there is
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

impl Kill {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let target = match (self.which, self.owner) {
            (None, Some(owner)) => KillTarget::Owner(owner),
            (None, None) => KillTarget::All,
            // No agent's name holds an underscore, every run's id does.
            (Some(which), _) if which.starts_with("run_") => KillTarget::Run(which),
            (Some(which), _) => KillTarget::Agent(which.parse().map_err(|error| {
                Failure::new(Exit::Usage, format!("{error}"))
                    .hint("name a run (`run_…`, see `marque run list`), an agent, or `--all`")
            })?),
        };
        let request = Request::post("/v1/kill").json(&target)?.dry_run(self.rehearsal.dry_run);
        let killed: KilledView = context.human().await?.send(&request).await?;
        context.output.result(&killed, text)?;
        Ok(Exit::Done)
    }
}

/// What a kill did, in words.
pub(crate) fn text(killed: &KilledView) -> String {
    let mut lines: Vec<String> = killed.runs.iter().map(ToString::to_string).collect();
    let millis = killed.took_micros.div_ceil(1_000);
    lines.push(match lines.len() {
        0 => "no run was open".to_owned(),
        _ => format!("closed and cut within {millis} ms"),
    });
    lines.extend(killed.stopped.iter().map(stopped));
    lines.join("\n")
}

fn stopped(stopped: &StoppedView) -> String {
    match (&stopped.client, stopped.run) {
        (Some(client), None) => format!(
            "client {client} is suspended; let it in again with `marque client resume {client}`"
        ),
        (Some(client), Some(run)) => format!(
            "what it was for is stopped, client {client} is not; let it in again with `marque \
             client resume {run}`"
        ),
        (None, _) => "the hop it was for is stopped".to_owned(),
    }
}
