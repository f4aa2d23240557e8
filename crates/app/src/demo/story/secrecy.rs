//! The search for the tokens in everything the run was given, wrote or printed.

use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Seen, Story};
use crate::demo::git_host::USER;
use crate::demo::hunt::Hunt;
use crate::demo::process::{contains, read, tree};

/// How long a command in the run may take to start.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);
/// Streams for a second or two.
const BUSY: &str = "curl -sSN 'https://api.demo.test/v1/slow?lines=75' > stream.txt &";

/// Searches while a call is under way, with a second search as its control: the same places must
/// hold the run's id, which the run is given.
pub(super) async fn hunt(story: &mut Story) -> anyhow::Result<Seen> {
    let run = story.run()?.to_owned();
    story.types(BUSY).await?;
    let launcher = story.shell.as_ref().and_then(|shell| shell.launcher.id());
    let launcher = launcher.context("the launcher is gone")?;
    let busy = async {
        while !tree(launcher).iter().any(|pid| contains(&read(*pid, "cmdline"), b"/v1/slow")) {
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(PATIENCE, busy).await.context("curl does not start")?;
    let processes = tree(launcher).len();
    let pair = STANDARD.encode(format!("{USER}:{}", story.ground.git_token));
    let canaries = [&story.ground.token, &story.ground.git_token, &pair];
    let hunts = canaries.map(|canary| search(story, canary, launcher));
    let control = search(story, &run, launcher);
    let ended = story.types("wait; tail -n 1 stream.txt").await?;
    let places = control.places;
    let found: Vec<&String> = hunts.iter().flat_map(|hunt| &hunt.found).collect();
    let given = control.found.iter().filter(|place| place.ends_with("/environ")).count();
    let observed = match found.first() {
        None => format!(
            "not in {places} places: {processes} processes, every file, every output \
             (the run's id, as a control, is in {given} environments)"
        ),
        Some(place) => format!("found in {place}"),
    };
    let ok = found.is_empty() && given > 0 && ended.out.ends_with("line 74");
    Ok(Seen { command: BUSY.to_owned(), observed, ok })
}

fn search(story: &Story, canary: &str, launcher: u32) -> Hunt {
    let mut hunt = Hunt::new(canary);
    hunt.processes(launcher);
    hunt.files(story.ground.root());
    for printed in &story.ground.printed {
        hunt.look(printed, || "the output of a command".to_owned());
    }
    if let Some(shell) = &story.shell {
        hunt.look(shell.printed.as_bytes(), || "the output of the run".to_owned());
    }
    hunt
}
