//! `marque demo`: the whole story on real parts, judged by the other side's own notes.
//!
//! Drives the real binary from outside, as a person would; knows nothing that a person could not
//! find out. Ends what it started and removes what it wrote, also when it fails or is interrupted.

pub(crate) mod api;
pub(crate) mod git_host;
mod ground;
mod hosts;
mod hunt;
mod journal;
mod judge;
mod listen;
mod process;
mod report;
mod rewrite;
mod shell;
mod story;
pub(crate) mod tools;

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, timeout};

use self::ground::Ground;
use self::report::{Report, Step};
use self::story::{PLAN, Story};
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// Tells the story, and says whether all of it holds.
pub(crate) async fn run(context: &Context) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let ground = Ground::lay(context, "marque-demo-", &["curl", "git", "sh"])?;
    let place = ground.root().display().to_string();
    context.output.remark(&format!("marque: a plane, an agent and hosts of its own in `{place}`"));
    let mut story = Story::new(ground);
    let mut report = Report::new(context.output, PLAN.len() + 1);
    let told = tokio::select! {
        told = tell(&mut story, &mut report) => told,
        interrupted = interrupted() => interrupted,
    };
    let left = clear(story).await;
    told?;
    report.add(left)?;
    report.conclude(started.elapsed().as_secs_f64())?;
    Ok(if report.ok { Exit::Done } else { Exit::Failed })
}

async fn tell(story: &mut Story, report: &mut Report) -> anyhow::Result<()> {
    let inside = format!("{}/", story.root().display());
    for plan in PLAN {
        let seen = timeout(PATIENCE, (plan.act)(story)).await;
        let seen = seen.unwrap_or_else(|_| Err(anyhow::anyhow!("it took too long")));
        let (command, observed, ok) = match seen {
            Ok(seen) => (seen.command, seen.observed.replace(&inside, ""), seen.ok),
            Err(error) => (String::new(), format!("{error:#}"), false),
        };
        report.add(Step { name: plan.name, command, expected: plan.expected, observed, ok })?;
    }
    Ok(())
}

/// Resolves when somebody wants the demonstration to end.
async fn interrupted() -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Err(Failure::new(Exit::Passed(130), "interrupted; everything it started is ended").into())
}

/// Ends every process and removes every file: the last step, whatever came before.
async fn clear(story: Story) -> Step {
    let ground = story.end().await;
    let strays = process::sweep(ground.root()).await;
    let (observed, ok) = match ground.clear() {
        Ok(path) if strays == 0 => {
            (format!("no process is left, and `{}` is gone", path.display()), !path.exists())
        }
        Ok(_) => (format!("{strays} processes were left over, and had to be ended"), false),
        Err(error) => (format!("{error:#}"), false),
    };
    let expected = "no process and no file of the demo is left";
    Step { name: "it leaves nothing behind", command: String::new(), expected, observed, ok }
}
