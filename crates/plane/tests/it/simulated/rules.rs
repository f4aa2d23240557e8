//! What may be let out, by the plain model alone.

use marque_domain::{Decision, Digest, Id, LogEntry, Run, Timestamp};

use super::model::{Act, Model, Ran, Wrong, must};

/// What the road must answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Permit,
    Hold,
    Refusal,
}

impl Model {
    /// An allowed decision stands in the log: everything before it must give it.
    pub(super) fn let_out(&mut self, entry: &LogEntry, decision: &Decision) -> Result<(), Wrong> {
        let run = decision.actor.as_ref().ok_or("somebody was let out who is nobody")?.run;
        let operation = &decision.operation;
        let ran = self.runs.get(&run).ok_or("a run acted that was never opened")?;
        self.must_stand(ran, entry.at)?;
        must(
            self.connection.as_deref()
                == operation.connection.as_ref().map(marque_domain::Name::as_str),
            || {
                format!(
                    "it went over {:?}, and {:?} is there",
                    operation.connection, self.connection
                )
            },
        )?;
        let width = self.width(ran, &operation.name, entry.at);
        must(width >= 2, || format!("{} is beyond what was given", operation.name))?;
        must(width == 3 || decision.approval.is_some(), || "nobody said yes to it".to_owned())?;
        self.must_have_budget(ran, entry.at)?;
        if let Some(approval) = decision.approval {
            let question =
                self.questions.get_mut(&approval).ok_or("nobody asked for its approval")?;
            must(question.is_given && !question.is_over, || format!("{approval} serves no more"))?;
            must(question.run == run && question.digest == operation.digest, || {
                format!("{approval} was for another act")
            })?;
            must(entry.at < question.until, || format!("{approval} had lapsed"))?;
            question.is_over = true;
        }
        self.spend(run, entry.at);
        let act = Act { index: entry.index, run, outcome: None };
        must(self.acts.insert(decision.id, act).is_none(), || "one decision twice".to_owned())
    }

    fn must_stand(&self, ran: &Ran, at: Timestamp) -> Result<(), Wrong> {
        for (above, agent) in &ran.chain {
            let one = self.runs.get(above).ok_or("a run above it was never opened")?;
            must(!one.is_killed, || format!("{above} was killed, and kill is final"))?;
            must(!one.is_closed, || format!("{above} is closed"))?;
            must(at < one.expires_at, || format!("the time of {above} is up"))?;
            let is_suspended = self.agents.get(agent).is_none_or(|agent| agent.is_suspended);
            must(!is_suspended, || format!("the agent of {above} is suspended"))?;
        }
        Ok(())
    }

    /// How far the narrowest of the run's mandate and the grants of everybody in its chain
    /// reaches: 1 nothing, 2 a human is asked, 3 it goes on by itself.
    fn width(&self, ran: &Ran, method: &str, at: Timestamp) -> u8 {
        let Some(connection) = &self.connection else { return 1 };
        let line = format!("{connection}:{method} /**");
        let speaks = |allow: &str, ask: &str| {
            if has(ask, &line) {
                return Some(2);
            }
            has(allow, &line).then_some(3)
        };
        let granted = ran.chain.iter().map(|(_, agent)| {
            let live = self
                .grants
                .values()
                .filter(|grant| grant.agent == *agent && !grant.is_revoked && at < grant.until);
            live.filter_map(|grant| speaks(&grant.allow, &grant.ask)).min().unwrap_or(1)
        });
        let own = speaks(&ran.allow, &ran.ask).unwrap_or(1);
        granted.chain([own]).min().unwrap_or(1)
    }

    fn must_have_budget(&self, ran: &Ran, at: Timestamp) -> Result<(), Wrong> {
        for (above, _) in &ran.chain {
            let one = &self.runs[above];
            must(one.calls_limit.is_none_or(|limit| one.calls < limit), || {
                format!("{above} had {} calls, and more are not in its budget", one.calls)
            })?;
        }
        for agent in agents_of(ran) {
            let Some(known) = self.agents.get(agent) else { continue };
            let (day, calls) = known.day;
            let calls = if at.day() > day { 0 } else { calls };
            must(known.calls_a_day.is_none_or(|limit| calls < limit), || {
                format!("agent `{}` had {calls} calls this day", known.name)
            })?;
        }
        Ok(())
    }

    fn spend(&mut self, run: Id<Run>, at: Timestamp) {
        let Some(ran) = self.runs.get(&run) else { return };
        let above: Vec<_> = ran.chain.iter().map(|(run, _)| *run).collect();
        let agents: Vec<_> = agents_of(ran).into_iter().cloned().collect();
        for one in above {
            if let Some(one) = self.runs.get_mut(&one) {
                one.calls += 1;
            }
        }
        for agent in agents {
            if let Some(agent) = self.agents.get_mut(&agent) {
                let (day, calls) = agent.day;
                agent.day = if at.day() > day { (at.day(), 1) } else { (day, calls + 1) };
            }
        }
    }

    /// What the road must answer to a call, where nothing is in doubt.
    pub(super) fn expects(
        &self,
        run: Id<Run>,
        (method, path): (&str, &str),
        at: Timestamp,
    ) -> Expected {
        let Some(ran) = self.runs.get(&run) else { return Expected::Refusal };
        let width = self.width(ran, method, at);
        if width < 2 || self.must_stand(ran, at).is_err() || self.must_have_budget(ran, at).is_err()
        {
            return Expected::Refusal;
        }
        let is_answered = self.questions.values().any(|question| {
            question.run == run
                && question.path == path
                && question.is_given
                && !question.is_over
                && at < question.until
        });
        if width == 3 || is_answered { Expected::Permit } else { Expected::Hold }
    }

    /// Nothing that was ever seen in the log may be missing, or stand elsewhere.
    pub(super) fn must_be_kept(&self, leaves: &[Digest]) -> Result<(), Wrong> {
        must(leaves.len() >= self.leaves.len(), || {
            format!("{} entries were seen, and {} are left", self.leaves.len(), leaves.len())
        })?;
        let differs = self.leaves.iter().zip(leaves).position(|(seen, now)| seen != now);
        must(differs.is_none(), || format!("entry {differs:?} is another than it was"))
    }

    /// After a start no intent may be without an outcome.
    pub(super) fn must_be_settled(&self) -> Result<(), Wrong> {
        let open = self.acts.iter().find(|(_, act)| act.outcome.is_none());
        must(open.is_none(), || {
            format!("{} has no outcome after a start", open.map_or(0, |(_, act)| act.index))
        })
    }
}

fn agents_of(ran: &Ran) -> Vec<&String> {
    let mut agents: Vec<_> = ran.chain.iter().map(|(_, agent)| agent).collect();
    agents.sort();
    agents.dedup();
    agents
}

fn has(lines: &str, line: &str) -> bool {
    lines.split("; ").any(|one| one == line)
}
