//! What runs do: ask, open what they are given, and bring an act to an end, or never.

use std::future::poll_fn;

use marque_domain::{Answer, Code, Event, Id, Outcome, Refusal, Run, Tier};
use marque_plane::{Ask, Crossed, Permit, Presented, broker};
use marque_testkit::Call;

use super::model::{Wrong, must};
use super::rules::Expected;
use super::sim::{Held, Leased, Sim};

const CALLS: [(&str, &str); 6] =
    [("GET", "/a"), ("GET", "/b"), ("PUT", "/c"), ("POST", "/d"), ("POST", "/e"), ("DELETE", "/f")];

impl Sim {
    pub(super) async fn calls(&mut self) -> Result<(), Wrong> {
        let Some(place) = self.picks_a_runner() else { return Ok(()) };
        let (method, path) = self.dice.one_of(&CALLS);
        let run = self.runners[place].id;
        self.absorb()?;
        let is_sure = self.is_sure_of(run);
        let expected = self.model.expects(run, (method, path), self.now());
        self.trace.push(format!("    {run} {method} {path}: {expected:?}, sure: {is_sure}"));
        let Some(presented) = self.presented(place) else {
            return must(!is_sure || expected == Expected::Refusal, || {
                "an open run cannot prove itself".to_owned()
            });
        };
        let operation = Call::new(method, path).operation().clone();
        let ask = Ask { presented, operation, announced_bytes: 0 };
        let answer = self.front().plane().decide(ask).await;
        let news = self.absorb()?;
        let allowed = news.iter().any(
            |entry| matches!(&entry.event, Event::Decided(one) if one.answer == Answer::Allowed),
        );
        let is_sure = is_sure && !self.has_struck;
        match answer {
            Ok(permit) => {
                must(!is_sure || expected == Expected::Permit, || {
                    format!("it was let out, and a {expected:?} was due")
                })?;
                self.was_let_out(run, permit)
            }
            Err(refusal) => {
                must(!allowed || self.has_struck, || {
                    "it was refused, and is on record".to_owned()
                })?;
                self.was_refused(&refusal, is_sure.then_some(expected))
            }
        }
    }

    fn presented(&self, place: usize) -> Option<Presented> {
        let runner = &self.runners[place];
        if runner.tier != Tier::Captured {
            return Some(runner.presented());
        }
        let plane = self.front();
        let acting = plane.plane().identify_run(&runner.presented()).ok()?;
        plane.plane().hand_over(&acting, &runner.launcher).ok().map(Presented::Door)
    }

    fn was_let_out(&mut self, run: Id<Run>, permit: Permit) -> Result<(), Wrong> {
        let index = permit.index();
        let leaf = usize::try_from(index).ok().and_then(|index| self.model.leaves.get(index));
        must(leaf == Some(&permit.leaf()), || format!("the permit's entry {index} is not there"))?;
        let act = self.model.acts.get(&permit.decision());
        must(act.is_some_and(|act| act.index == index && act.run == run), || {
            format!("entry {index} is not the permit's intent")
        })?;
        self.tally.permits += 1;
        self.permits.push(Held { permit, run, secret: self.model.sealed });
        Ok(())
    }

    fn was_refused(&mut self, refusal: &Refusal, expected: Option<Expected>) -> Result<(), Wrong> {
        self.trace.push(format!("    {}", refusal.code.text()));
        let Some(expected) = expected else { return Ok(()) };
        let came = if refusal.code.is_hold() { Expected::Hold } else { Expected::Refusal };
        must(came == expected, || format!("{refusal}: {came:?}, and a {expected:?} was due"))
    }

    /// Whether nothing is in doubt that the answer to this run's next call depends on.
    pub(super) fn is_sure_of(&self, run: Id<Run>) -> bool {
        let chain = self.model.runs.get(&run).map(|ran| &ran.chain);
        let is_cut = chain.is_none_or(|chain| chain.iter().any(|(one, _)| self.cut.contains(one)));
        // What lapsed while the clock was ahead stays so, and no entry tells.
        let is_behind = self.now() < self.high;
        !is_cut
            && !is_behind
            && !self.is_stuck
            && self.chosen.is_none()
            && chain.is_some_and(|chain| chain.iter().all(|(one, _)| !self.binds_bytes(*one)))
    }

    // Whether a limit of bytes may refuse the next call: what calls under way hold counts.
    fn binds_bytes(&self, run: Id<Run>) -> bool {
        self.model.runs.get(&run).is_some_and(|ran| ran.bytes_limit.is_some())
    }

    pub(super) fn opens_what_was_given(&mut self) -> Result<(), Wrong> {
        let Some(place) = self.dice.place(self.permits.len()) else { return Ok(()) };
        let Held { permit, run, secret } = self.permits.swap_remove(place);
        let ran = &self.model.runs[&run];
        let mut chain = ran.chain.iter().map(|(one, _)| &self.model.runs[one]);
        let is_over = chain.clone().any(|one| one.is_closed);
        // What expired is cut even where no entry can say so.
        let may_be_over = is_over || chain.any(|one| one.expires_at <= self.high);
        match broker::open(self.front().plane(), permit) {
            Ok(opened) => {
                must(!is_over, || format!("{run} is over, and opened a credential"))?;
                let value = opened.injection.map(|injection| injection.value.expose().to_vec());
                let due = format!("Bearer secret-{secret}").into_bytes();
                must(value == Some(due), || "another credential than the decided one".to_owned())?;
                self.tally.opened += 1;
                must(self.tally.opened <= self.tally.permits, || {
                    "more opened than let out".into()
                })?;
                self.leases.push(Leased { lease: opened.lease, run, taken: 0 });
                Ok(())
            }
            // Nor is anything opened after a commit that failed, until one succeeds.
            Err(refusal) if refusal.code == Code::LogUnavailable => must(self.has_faltered, || {
                format!("no commit failed, and a permit opens nothing: {refusal}")
            }),
            Err(refusal) => must(may_be_over || self.cut.contains(&run), || {
                format!("a permit of an open run opens nothing: {refusal}")
            }),
        }
    }

    pub(super) async fn moves_bytes(&mut self) -> Result<(), Wrong> {
        let Some(place) = self.dice.place(self.leases.len()) else { return Ok(()) };
        let bytes = self.dice.below(400_000);
        let Some(allowance) = self.leases[place].lease.allowance() else { return Ok(()) };
        let took = poll_fn(|cx| allowance.poll_take(cx, bytes)).await;
        self.absorb()?;
        if took.is_ok() {
            self.leases[place].taken += bytes;
        }
        self.budgets_hold()
    }

    /// No run may have moved more than it may.
    pub(super) fn budgets_hold(&self) -> Result<(), Wrong> {
        for (id, ran) in &self.model.runs {
            let is_below = |one: &&Leased| {
                self.model
                    .runs
                    .get(&one.run)
                    .is_some_and(|below| below.chain.iter().any(|(above, _)| above == id))
            };
            let moving: u64 = self.leases.iter().filter(is_below).map(|one| one.taken).sum();
            let moved = ran.bytes + moving;
            must(ran.bytes_limit.is_none_or(|limit| moved <= limit), || {
                format!("{id} moved {moved} bytes, and may {:?}", ran.bytes_limit)
            })?;
        }
        Ok(())
    }

    pub(super) async fn brings_to_an_end(&mut self) -> Result<(), Wrong> {
        let Some(place) = self.dice.place(self.leases.len()) else { return Ok(()) };
        let Leased { lease, taken, .. } = self.leases.swap_remove(place);
        let decision = lease.decision();
        if self.dice.once_in(3) {
            drop(lease);
        } else {
            let sent_bytes = self.dice.below(taken + 1);
            let crossed = Crossed { sent_bytes, received_bytes: taken - sent_bytes, redacted: 0 };
            lease.finish(Outcome::Answered { status: 200 }, crossed);
        }
        let mut is_told = false;
        for _ in 0..self.settles() {
            self.settle().await;
            self.absorb()?;
            is_told = self.model.acts.get(&decision).is_some_and(|act| act.outcome.is_some());
            if is_told || self.has_struck || self.is_stuck {
                break;
            }
        }
        must(is_told || self.has_struck || self.is_stuck, || {
            format!("{decision} is over, and its outcome is not in the log")
        })
    }

    /// Whoever is over has nothing under way.
    pub(super) fn the_closed_are_cut(&self) -> Result<(), Wrong> {
        let flows = self.leases.iter().find(|one| {
            self.model.runs[&one.run].is_closed && !one.lease.is_cancelled() && !self.is_stuck
        });
        must(flows.is_none(), || {
            format!(
                "{} is closed, and its act goes on",
                flows.map_or_else(String::new, |one| one.run.to_string())
            )
        })
    }

    /// What people are shown is what the log says, or more where calls under way hold bytes.
    pub(super) async fn shows(&mut self) -> Result<(), Wrong> {
        let Some(place) = self.picks_a_runner() else { return Ok(()) };
        let (id, alice) = (self.runners[place].id, self.alice().await?);
        let ran = &self.model.runs[&id];
        if self.is_stuck || ran.is_closed {
            return Ok(());
        }
        let shown = self.front().plane().run(&alice, &id.to_string()).await;
        let shown = shown.map_err(|error| format!("{id} cannot be shown: {error}"))?;
        must(shown.calls == ran.calls, || {
            format!("{id} had {} calls, and {} are shown", ran.calls, shown.calls)
        })?;
        must(shown.budget.bytes >= ran.bytes, || {
            format!("{id} moved {} bytes, and {} are shown", ran.bytes, shown.budget.bytes)
        })
    }
}
