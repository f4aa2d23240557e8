//! Kill: one command that stops a run, an agent or everything, and leaves the human alone.
//!
//! It writes, publishes the closed runs, then cuts; a decision that was under way finds its run
//! changed in stage 8 and gets nothing.

mod unrecorded;

use std::time::Duration;

use marque_domain::{Closing, Id, Run, TaskRef, User, UserRef, Verb};

pub(crate) use unrecorded::Unrecorded;

use super::agents::{close_runs_of, find_agent};
use super::runs::{close_tree, closed_task, unclosed};
use super::{Detailed, changed, clients};
use crate::caller::Acting;
use crate::error::{AdminError, AdminKind};
use crate::plane::Plane;
use crate::spec::KillTarget;
use crate::step::Step;
use crate::view::{KilledView, StoppedView};

impl Plane {
    /// Closes runs now and cuts everything they have open.
    pub async fn kill(
        &self,
        who: &Acting<User>,
        target: KillTarget,
    ) -> Result<KilledView, AdminError> {
        let (by, started) = (Self::by(who), self.clock().elapsed());
        let (aim, striking) = (target.clone(), by.clone());
        let struck = self.change(who, move |step| strike_and_say(step, &aim, &striking)).await;
        match struck {
            Ok(Struck { runs, stopped, .. }) => {
                Ok(KilledView { runs, stopped, took_micros: self.micros_since(started) })
            }
            Err(error) if error.kind == AdminKind::Unavailable && !who.is_dry_run => {
                Err(self.cut_unrecorded(by, target, &error))
            }
            Err(error) => Err(error),
        }
    }

    /// Closes a task: ends its runs, and lets none be opened for it again.
    pub async fn close_task(
        &self,
        who: &Acting<User>,
        task: TaskRef,
    ) -> Result<KilledView, AdminError> {
        let (by, started) = (Self::by(who), self.clock().elapsed());
        let runs = self
            .change(who, move |step| {
                let setting = closed_task(&task);
                if step.tx.setting(&setting)?.is_some() {
                    let message = format!("task `{task}` is already closed");
                    return Err(AdminError::new(AdminKind::Conflict, message));
                }
                step.tx.put_setting(&setting, &step.now.to_string())?;
                let open = unclosed(step, |run| run.task == task);
                let mut closed = Vec::new();
                for run in open {
                    closed.extend(close_tree(step, run, Closing::Done, Some(&by))?);
                }
                let entry = changed(Verb::TaskClosed, &by, None, &task);
                step.append(entry.detail("runs", closed.len()).event())?;
                Ok(closed)
            })
            .await?;
        let took_micros = self.micros_since(started);
        Ok(KilledView { runs, stopped: Vec::new(), took_micros })
    }

    fn micros_since(&self, started: Duration) -> u64 {
        let took = self.clock().elapsed().saturating_sub(started);
        u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
    }
}

/// What a kill did.
struct Struck {
    label: String,
    runs: Vec<Id<Run>>,
    stopped: Vec<StoppedView>,
}

fn strike_and_say(
    step: &mut Step<'_, '_>,
    target: &KillTarget,
    by: &UserRef,
) -> Result<Struck, AdminError> {
    let struck = strike(step, target, by)?;
    let entry = changed(Verb::Killed, by, None, &struck.label);
    step.append(entry.detail("runs", struck.runs.len()).event())?;
    Ok(struck)
}

fn strike(
    step: &mut Step<'_, '_>,
    target: &KillTarget,
    by: &UserRef,
) -> Result<Struck, AdminError> {
    match target {
        KillTarget::Run(which) => {
            let id = which.parse().map_err(|error| AdminError::invalid(&error))?;
            let run = clients::any_run(step, id)?;
            let stopped = clients::stop_behind(step, &run)?.into_iter().collect();
            let mut runs = close_tree(step, id, Closing::Killed, Some(by))?;
            // Whoever stands behind it may have the next one by now, if this one is over.
            for next in clients::open_runs(step, &run) {
                runs.extend(close_tree(step, next, Closing::Killed, Some(by))?);
            }
            Ok(Struck { label: which.clone(), runs, stopped })
        }
        KillTarget::Agent(name) => {
            let agent = find_agent(step.world, name.as_str())?;
            let stopped = clients::suspend_all(step, |client| client.agent == agent.id)?;
            let runs = close_runs_of(step, agent.id, by)?;
            Ok(Struck { label: format!("agent {name}"), runs, stopped })
        }
        KillTarget::Owner(name) => {
            let owner = step.world.user_named(name);
            let not_found = || AdminError::not_found("user", name.as_str(), "marque whoami");
            let owner = owner.ok_or_else(not_found)?.fact.id;
            let agents = step.world.agents.all().filter(|agent| agent.fact.owner == owner);
            let mut agents: Vec<_> = agents.map(|agent| agent.fact.id).collect();
            agents.sort_unstable();
            let stopped = clients::suspend_all(step, |client| agents.contains(&client.agent))?;
            let mut runs = Vec::new();
            for agent in agents {
                runs.extend(close_runs_of(step, agent, by)?);
            }
            Ok(Struck { label: format!("owner {name}"), runs, stopped })
        }
        KillTarget::All => {
            let stopped = clients::suspend_all(step, |_| true)?;
            let mut runs = Vec::new();
            for run in unclosed(step, |_| true) {
                runs.extend(close_tree(step, run, Closing::Killed, Some(by))?);
            }
            Ok(Struck { label: "all".to_owned(), runs, stopped })
        }
    }
}
