//! `marque kill`

use clap::Args;
use marque_plane::spec::KillTarget;
use marque_plane::view::KilledView;

use crate::cli::Rehearsal;
use crate::client::Request;
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// Stop a run, an agent's runs, or all of them, at once
///
/// Closes the runs and their children for good, cuts what they are sending and receiving, and
/// records who did it. Their commands are ended by their launchers.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque kill run_01JD…
  marque kill triage
  marque kill --all")]
pub(crate) struct Kill {
    /// A run's id, or an agent's name
    #[arg(value_name = "RUN|AGENT", required_unless_present = "all", conflicts_with = "all")]
    which: Option<String>,
    /// Every run there is
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

impl Kill {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let target = match self.which {
            None => KillTarget::All,
            // No agent's name holds an underscore, every run's id does.
            Some(which) if which.starts_with("run_") => KillTarget::Run(which),
            Some(which) => KillTarget::Agent(which.parse().map_err(|error| {
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
    if killed.runs.is_empty() {
        return "no run was open".to_owned();
    }
    let runs: Vec<String> = killed.runs.iter().map(ToString::to_string).collect();
    let millis = killed.took_micros.div_ceil(1_000);
    format!("{}\nclosed and cut within {millis} ms", runs.join("\n"))
}
