//! `marque run` inside a captured run: nothing is built here, the launcher outside is asked.

use std::io;
use std::path::{Path, PathBuf};

use marque_domain::Tier;
use rustix::process::Signal;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::OwnedReadHalf;

use super::open::{Open, no_other_tier};
use crate::capture::asked::{self, Asked, Told};
use crate::client::dial;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::launch;
use crate::launch::supervise::{CUT, Signals};

impl Open {
    /// Where the launcher of this run listens, inside a captured one.
    pub(super) fn launcher(context: &Context) -> Option<PathBuf> {
        let launcher = context.environment.path("MARQUE_LAUNCHER");
        launcher.filter(|_| context.is_inside_a_run())
    }

    /// Has the launcher open a child run and waits for its end.
    pub(super) async fn ask(&self, context: &Context, launcher: &Path) -> anyhow::Result<Exit> {
        if let Some(tier) = self.tier.filter(|tier| *tier != Tier::Captured) {
            return Err(no_other_tier(tier, Tier::Captured).into());
        }
        let asked = Asked {
            spec: self.spec(context)?,
            words: self.command.clone(),
            variables: launch::passed(&context.environment, false, &self.env)?
                .into_iter()
                .collect(),
            also: self.env.clone(),
            directory: std::env::current_dir()?,
            home: self.home,
            hide: self.hide.iter().map(std::path::absolute).collect::<Result<_, _>>()?,
            has_git: !self.no_git_identity,
            has_token_key: self.token_key,
            is_json: context.output.is_json(),
        };
        // ORDER: before there is a command that a signal could be meant for.
        let mut signals = Signals::listen(false)?;
        let stream = dial(launcher).await.map_err(|error| asked::gone(&error))?;
        let (told, mut say) = asked::ask(stream, &asked)?.into_split();
        let mut next = Box::pin(after(told));
        loop {
            tokio::select! {
                biased;
                (heard, told) = &mut next => {
                    match heard {
                        Ok(Told::Remark(text)) => context.output.remark(&text),
                        Ok(Told::Warning(text)) => context.output.warning(&text),
                        Ok(Told::Failed { exit, message, hint, reference }) => {
                            let exit = Exit::Passed(exit);
                            let failure = Failure { exit, message, hint, reference };
                            context.output.failure(&failure);
                        }
                        Ok(Told::Ended(code)) => return Ok(Exit::Passed(code)),
                        Err(error) => {
                            context.output.failure(&asked::gone(&error));
                            return Ok(Exit::Passed(CUT));
                        }
                    }
                    next.set(after(told));
                }
                signal = signals.next() => if let Some(code) = signal.and_then(code) {
                    let _gone = say.write_u8(code).await;
                }
            }
        }
    }
}

/// What is told next, and the reader again.
async fn after(mut told: OwnedReadHalf) -> (io::Result<Told>, OwnedReadHalf) {
    let heard = asked::told(&mut told).await;
    (heard, told)
}

fn code(signal: Signal) -> Option<u8> {
    u8::try_from(signal.as_raw()).ok()
}
