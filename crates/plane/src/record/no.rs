//! The other answers of stage 8: a refusal, a hold, and that nothing can be recorded.

use std::time::Duration;

use marque_domain::{Answer, Body, Code, Decision, Event, Id, Operation, Refusal, Run};

use super::question::Question;
use super::{Stop, Unmade, heard, use_all};
use crate::draft::{Draft, Known};
use crate::failure::{Failure, REWOUND};
use crate::oauth::{Spent, Use};
use crate::plane::Plane;
use crate::sequence::Durability;
use crate::world::MeterKey;

/// Records a refusal and returns it. If that fails, the refusal is that the log cannot be written.
pub(crate) async fn refuse(
    plane: &Plane,
    draft: &Draft<'_>,
    uses: &[Use],
    refusal: Refusal,
) -> Refusal {
    let answer = Answer::Refused { code: refusal.code, message: refusal.message.clone() };
    count("refused", refusal.code);
    let id = plane.id();
    let record = draft.decided(id, answer);
    let (key, chain) = (draft.refusals(), draft.chain());
    let refused = Event::Decided(Box::new(record));
    let uses: Vec<Use> =
        uses.iter().copied().filter(|one| one.spent != Spent::WhenAllowed).collect();
    let recorded = plane.sequencer().submit(Durability::Read, move |step| {
        // Used up by a no as well; one that was used before is refused anyway.
        for one in &uses {
            let _again = step.use_once(one.digest, one.until);
        }
        for run in &chain {
            step.count_refusal(*run);
        }
        if !step.may_record(key) {
            return Ok(None);
        }
        step.append(&refused)?;
        Ok::<_, Failure>(Some(id))
    });
    match heard(plane, recorded).await {
        Ok(decision) => Refusal { decision, ..refusal },
        Err(failure) => unwritable(&failure),
    }
}

/// Refuses before there was anything to decide, whoever it is that proved itself by then.
pub(crate) async fn refuse_early(
    plane: &Plane,
    (operation, who): (&Operation, Option<Known>),
    uses: &[Use],
    refusal: Refusal,
) -> Refusal {
    refuse(plane, &Draft::early(operation, who, plane.now()), uses, refusal).await
}

/// Records a hold: asks a human, once for each operation, and returns the refusal that says so.
///
/// An operation whose body was not read cannot be held: an approval would not bind it.
pub(crate) async fn hold(
    plane: &Plane,
    draft: &Draft<'_>,
    (run, uses): (Id<Run>, &[Use]),
    mut refusal: Refusal,
) -> Refusal {
    let operation = draft.operation().clone();
    if operation.body == Body::Streamed {
        return refuse(plane, draft, uses, unshowable(&refusal)).await;
    }
    let answer = Answer::Held { code: refusal.code, message: refusal.message.clone() };
    count("held", refusal.code);
    let id = plane.id();
    let record = draft.decided(id, answer);
    let connection = draft.connection().map_or("", |name| name.as_str());
    let line = match operation.also.len() {
        0 => operation.line(connection),
        more => format!("{} and {more} more", operation.line(connection)),
    };
    let (reason, digest, ttl) =
        (refusal.message.clone(), draft.digest, plane.settings().approval_ttl);
    let uses: Vec<Use> = uses.iter().copied().filter(|one| one.spent == Spent::Always).collect();
    let recorded = plane.sequencer().submit(Durability::Disk, move |step| {
        use_all(step, &uses)?;
        let question =
            Question { run, digest, operation: &operation, line: &line, reason: &reason, ttl };
        let (approval, is_new) = question.ask(step)?;
        // A question that is open already is not asked again; that it was repeated is recorded at
        // the rate of refusals.
        if !is_new && !step.may_record(MeterKey::Refusals(run)) {
            return Ok((approval, None));
        }
        let decided = Decision { approval: Some(approval), ..record.clone() };
        step.append(Event::Decided(Box::new(decided)))?;
        Ok::<_, Unmade>((approval, Some(id)))
    });
    match heard(plane, recorded).await {
        Ok((approval, decision)) => {
            refusal.remedy = Some(format!(
                "a human can answer with `marque approval give {approval}`; then send the same \
                 request again, it goes through once"
            ));
            Refusal { approval: Some(approval), decision, ..refusal }
        }
        Err(Unmade::Stop(Stop::Refused(refusal))) => refusal,
        Err(Unmade::Stop(Stop::Stale)) => unwritable(&Failure::Overloaded),
        Err(Unmade::Failed(failure)) => unwritable(&failure),
    }
}

fn unshowable(hold: &Refusal) -> Refusal {
    Refusal::new(
        Code::BodyTooLarge,
        format!("{}, and its body is too large to be shown whole", hold.message),
        "send at most 1 MiB, or have a human allow the operation",
    )
}

/// The refusal of a server that may not know what the others did. It is not recorded: the log
/// cannot be reached, or is not the log any more.
pub(crate) fn behind(behind: Duration, is_rewound: bool) -> Refusal {
    if is_rewound {
        return Refusal::new(Code::LogUnavailable, "the database is an older copy", REWOUND);
    }
    Refusal::new(
        Code::LogUnavailable,
        format!("this server has not heard from the others for {} ms", behind.as_millis()),
        "try again; it recovers by itself once it reaches the database",
    )
}

/// The refusal where the log cannot be written.
pub(crate) fn unwritable(failure: &Failure) -> Refusal {
    match failure {
        Failure::Overloaded => Refusal::new(
            Code::Overloaded,
            "too many decisions, or too many open questions of this run, wait",
            "wait a moment and try again",
        ),
        Failure::Lost => Refusal::new(
            Code::LogUnavailable,
            "the log's disk failed, so nothing is allowed",
            "restart the server on a disk that works",
        ),
        Failure::InDoubt => Refusal::new(
            Code::LogUnavailable,
            "whether this is on record is in doubt, so it is not allowed",
            "try again; if it goes on, have the server restarted, which reads the log anew",
        ),
        Failure::Rewound(_) => {
            Refusal::new(Code::LogUnavailable, format!("{failure}, so nothing is allowed"), REWOUND)
        }
        Failure::Stopped
        | Failure::Silent
        | Failure::Deposed(_)
        | Failure::Store(_)
        | Failure::Record(_) => Refusal::new(
            Code::LogUnavailable,
            format!("{failure}, so nothing is allowed"),
            "look at the server's output; it recovers by itself once the log can be written",
        ),
    }
}

/// The refusal of what is good once and was used before.
pub(crate) fn replayed() -> Refusal {
    Refusal::new(
        Code::CallerReplayed,
        "the proof that came with the request was used before",
        "make a new one for each request",
    )
}

fn count(answer: &'static str, code: Code) {
    let stage = code.stage().word();
    metrics::counter!("marque_decisions_total", "answer" => answer, "stage" => stage).increment(1);
}
