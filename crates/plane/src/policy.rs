//! Stage 4, `policy`: does the organisation forbid it, or ask for a human?
//!
//! Policies can only take away. What they say of each effect is given by `marque-policy`; this
//! stage takes the strongest objection and turns it into evidence or a refusal.

use std::collections::BTreeSet;

use marque_domain::{Code, Digest, EffectRef, Operation, Refusal, Timestamp, TrustScore};
use marque_policy::{PolicyFacts, Ruling};

use crate::mandate::Mandated;
use crate::run::Standing;
use crate::world::World;

/// What the organisation's policies said of an operation.
pub(crate) struct Judged {
    /// The policies that spoke.
    pub(crate) rules: Vec<String>,
    /// Of the set they belong to.
    pub(crate) digest: Digest,
    /// Whether it passes, perhaps only after a human's answer.
    pub(crate) hold: Result<Option<Refusal>, Refusal>,
}

/// What the policies in force say. An evaluation error refuses.
pub(crate) fn judge(
    world: &World,
    standing: &Standing,
    mandated: &Mandated,
    trust: &TrustScore,
    (operation, now): (&Operation, Timestamp),
) -> Judged {
    let facts = |effect| PolicyFacts {
        agent: &standing.agent.fact,
        owner: &standing.owner.fact.name,
        run: &standing.run.fact,
        opened_by: &standing.opener.fact.name,
        on_behalf_of: standing.person.as_ref().map(|person| &person.fact.name),
        connection: &mandated.connection.fact,
        operation,
        effect,
        trust,
        now,
    };
    let rulings: Vec<_> = operation
        .effects()
        .map(|effect| (effect, world.policies.set.evaluate(&facts(effect))))
        .collect();
    let rules: BTreeSet<String> = rulings.iter().flat_map(|(_, ruling)| rules_of(ruling)).collect();
    // Of effects that are objected to alike, the first is told.
    let strongest = rulings.iter().min_by_key(|(_, ruling)| mildness(ruling));
    let hold = strongest.map_or(Ok(None), |(effect, ruling)| {
        let about = if operation.also.is_empty() { None } else { Some(effect) };
        answer(ruling, about)
    });
    Judged { rules: rules.into_iter().collect(), digest: world.policies.digest, hold }
}

// An error might have been a no, but no approval or change of facts lifts a no.
fn mildness(ruling: &Ruling) -> u8 {
    match ruling {
        Ruling::Forbid { .. } => 0,
        Ruling::Error { .. } => 1,
        Ruling::Ask { .. } => 2,
        Ruling::Pass => 3,
    }
}

fn rules_of(ruling: &Ruling) -> Vec<String> {
    match ruling {
        Ruling::Pass => Vec::new(),
        Ruling::Ask { rules, .. } | Ruling::Forbid { rules, .. } | Ruling::Error { rules, .. } => {
            rules.iter().map(ToString::to_string).collect()
        }
    }
}

// `about` is the effect that is objected to, where there are others beside it.
fn answer(ruling: &Ruling, about: Option<&EffectRef<'_>>) -> Result<Option<Refusal>, Refusal> {
    let which = about.map(|effect| format!("`{effect}`"));
    let rules = rules_of(ruling);
    match ruling {
        Ruling::Pass => Ok(None),
        Ruling::Ask { words, .. } => {
            let which = which.map(|which| format!(" for {which}")).unwrap_or_default();
            Ok(Some(Refusal::new(
                Code::PolicyNeedsApproval,
                format!("a policy asks a human first{which}: {words}"),
                "a human answers with `marque approval give`, then the same request goes through \
                 once",
            )))
        }
        Ruling::Forbid { words, .. } => {
            let which = which.unwrap_or_else(|| "it".to_owned());
            Err(Refusal::new(
                Code::PolicyForbids,
                format!("policy `{}` forbids {which}: {words}", rules.join("`, `")),
                "ask whoever keeps the organisation's policies",
            ))
        }
        Ruling::Error { message, .. } => {
            let which = which.map(|which| format!(" for {which}")).unwrap_or_default();
            Err(Refusal::new(
                Code::PolicyError,
                format!("the policies have no answer{which}: {message} ({})", rules.join(", ")),
                "whoever keeps the organisation's policies can check them: `marque config check`",
            ))
        }
    }
}
