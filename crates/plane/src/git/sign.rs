//! Signing what a run commits: judged, recorded, then signed, in this order.

use std::sync::Arc;

use marque_crypto::hash::sha256;
use marque_domain::git::{GitRefused, GitSigned};
use marque_domain::{Digest, Event, GitIdentity, Id, Refusal, Run};
use marque_wire::git::object::{Object, ObjectKind};

use super::judge::{Maker, Wrong, judge};
use super::keys::{self, SETTING};
use crate::caller::Acting;
use crate::error::{AdminError, AdminKind};
use crate::failure::Failure;
use crate::plane::Plane;
use crate::run::{self, Standing};
use crate::sequence::Durability;
use crate::step::Step;
use crate::view::GitSignatureView;
use crate::world::MeterKey;

/// What a run asks to have signed, judged.
struct Asked {
    run: Id<Run>,
    payload: Digest,
    judged: Result<ObjectKind, Wrong>,
}

/// What came of it, on record.
enum Answer {
    /// The right to one signature.
    Recorded(Recorded),
    /// No, as the object is.
    Wrong(Wrong),
    /// No, as the run stands.
    Refused(Refusal),
}

/// Proof that a signature is on record. Only [`Asked::record`] makes one, and signing takes it.
struct Recorded {
    /// The keys of the store at that moment.
    keys: String,
    payload: Digest,
}

impl Plane {
    /// Signs a commit or a tag for the run that made it, once it is on record. `payload` is the
    /// object without its signature, as git gives it to its signing program.
    pub async fn sign_git(
        &self,
        who: &Acting<Run>,
        payload: Vec<u8>,
    ) -> Result<GitSignatureView, AdminError> {
        if !self.settings().git.identity {
            let message = "this plane gives runs no git identity";
            return Err(AdminError::new(AdminKind::Conflict, message)
                .hint("an administrator can set `git.identity = true`"));
        }
        self.must_hear()?;
        let asked = Arc::new(self.asked(who.run(), &payload)?);
        let inside = Arc::clone(&asked);
        let recorded = self.sequencer().submit(Durability::Disk, move |step| inside.record(step));
        let answer = tokio::select! {
            biased;
            recorded = recorded => recorded?,
            () = self.lost() => return Err(Failure::Silent.into()),
        };
        let recorded = match answer {
            Answer::Recorded(recorded) => recorded,
            Answer::Wrong(wrong) => return Err(unsigned(&wrong)),
            Answer::Refused(refusal) => return Err(refusal.into()),
        };
        // Cut while its entry waited for the disk: the run says by what.
        if who.live().is_cancelled() {
            run::stand(&self.world(), who.run(), self.now())?;
            return Err(AdminError::unavailable());
        }
        self.signed(recorded, &payload)
    }

    fn asked(&self, run: Id<Run>, payload: &[u8]) -> Result<Asked, AdminError> {
        let world = self.world();
        let known = world.runs.get(run).map(Arc::clone);
        let known = known.ok_or_else(AdminError::unavailable)?;
        let judged = match self.maker(&known.fact) {
            Some(maker) => match Object::parse(payload) {
                Ok(object) => judge(&object, &maker).map(|()| object.kind),
                Err(bad) => Err(Wrong {
                    finding: marque_domain::GitFinding::Object,
                    message: bad.to_string(),
                    remedy: "only commits and annotated tags are signed",
                }),
            },
            None => return Err(AdminError::unavailable()),
        };
        Ok(Asked { run, payload: sha256(payload), judged })
    }

    fn maker(&self, run: &Run) -> Option<Maker> {
        let world = self.world();
        let domain = self.trust_domain();
        let person = run.chain.on_behalf_of.and_then(|person| world.users.get(person));
        let opener = world.users.get(run.opened_by)?;
        let human = person.unwrap_or(opener);
        Some(Maker {
            run: run.id,
            agent: GitIdentity::of_agent(&world.agents.get(run.agent)?.fact.name, domain),
            human: GitIdentity::of_person(&human.fact.name, domain),
            person: person.map(|person| person.fact.name.clone()),
            author: self.settings().git.author,
        })
    }

    // The only place that signs for git.
    fn signed(&self, right: Recorded, payload: &[u8]) -> Result<GitSignatureView, AdminError> {
        let unusable = |what: String| {
            AdminError::new(AdminKind::Unavailable, format!("the key of commits: {what}"))
                .hint("nothing was signed; look at the server's output")
        };
        if right.payload != sha256(payload) {
            return Err(unusable("it was recorded for another object".to_owned()));
        }
        let keys = self.git().keys_of(&right.keys).map_err(|error| unusable(error.to_string()))?;
        metrics::counter!("marque_git_signatures_total", "answer" => "signed").increment(1);
        Ok(GitSignatureView { signature: keys.sign(payload) })
    }
}

impl Asked {
    // One savepoint: the run stands now, and the entry says so, or why not.
    fn record(&self, step: &mut Step<'_, '_>) -> Result<Answer, Failure> {
        let standing = match run::stand(step.world, self.run, step.now) {
            Ok(standing) => standing,
            Err(refusal) => {
                self.refuse(step, &refusal.code.text(), &refusal.message)?;
                return Ok(Answer::Refused(refusal));
            }
        };
        let kind = match &self.judged {
            Ok(kind) => *kind,
            Err(wrong) => {
                self.refuse(step, wrong.finding.code(), &wrong.message)?;
                return Ok(Answer::Wrong(wrong.clone()));
            }
        };
        let text = step.tx.setting(SETTING)?.unwrap_or_default();
        let list = keys::read(&text).unwrap_or_default();
        let key = list.last().map(keys::Kept::fingerprint).unwrap_or_default();
        step.append(Event::GitSigned(Box::new(self.signed(&standing, kind, key))))?;
        Ok(Answer::Recorded(Recorded { keys: text, payload: self.payload }))
    }

    fn signed(&self, standing: &Standing, kind: ObjectKind, key: String) -> GitSigned {
        let object = match kind {
            ObjectKind::Commit => "commit",
            ObjectKind::Tag => "tag",
        };
        GitSigned {
            run: self.run,
            agent: standing.agent.fact.name.clone(),
            on_behalf_of: standing.person.as_ref().map(|person| person.fact.name.clone()),
            object: object.to_owned(),
            payload: self.payload,
            key,
        }
    }

    // Counted against the run and those above it, and recorded at the rate of refusals.
    fn refuse(&self, step: &mut Step<'_, '_>, code: &str, message: &str) -> Result<(), Failure> {
        metrics::counter!("marque_git_signatures_total", "answer" => "refused").increment(1);
        let Some(run) = step.world.runs.get(self.run).map(Arc::clone) else { return Ok(()) };
        run.fact.chain.actors.iter().for_each(|one| step.count_refusal(one.run));
        let agent = step.world.agents.get(run.fact.agent).map(|agent| agent.fact.name.clone());
        let (Some(agent), true) = (agent, step.may_record(MeterKey::Refusals(self.run))) else {
            return Ok(());
        };
        let person = run.fact.chain.on_behalf_of.and_then(|person| step.world.users.get(person));
        let on_behalf_of = person.map(|person| person.fact.name.clone());
        let (code, message) = (code.to_owned(), message.to_owned());
        step.append(Event::GitRefused(Box::new(GitRefused {
            run: self.run,
            agent,
            on_behalf_of,
            payload: self.payload,
            code,
            message,
        })))?;
        Ok(())
    }
}

fn unsigned(wrong: &Wrong) -> AdminError {
    let code = wrong.finding.code();
    AdminError::new(AdminKind::Forbidden, format!("{code}: {}", wrong.message)).hint(wrong.remedy)
}
