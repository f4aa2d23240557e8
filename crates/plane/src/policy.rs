//! Stage 4, `policy`: does the organisation forbid it, or ask for a human?
//!
//! Policies can only take away. What they say is given by `marque-policy`; this stage turns it
//! into evidence or a refusal.

use marque_domain::{Code, Digest, Operation, Refusal, Timestamp, TrustScore};
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
    let facts = PolicyFacts {
        agent: &standing.agent.fact,
        owner: &standing.owner.fact.name,
        run: &standing.run.fact,
        opened_by: &standing.opener.fact.name,
        on_behalf_of: standing.person.as_ref().map(|person| &person.fact.name),
        connection: &mandated.connection.fact,
        operation,
        trust,
        now,
    };
    let digest = world.policies.digest;
    let named = |rules: Vec<marque_policy::RuleId>| -> Vec<String> {
        rules.iter().map(ToString::to_string).collect()
    };
    match world.policies.set.evaluate(&facts) {
        Ruling::Pass => Judged { rules: Vec::new(), digest, hold: Ok(None) },
        Ruling::Ask { rules, words } => {
            let hold = Refusal::new(
                Code::PolicyNeedsApproval,
                format!("a policy asks a human first: {words}"),
                "a human answers with `marque approval give`, then the same request goes through \
                 once",
            );
            Judged { rules: named(rules), digest, hold: Ok(Some(hold)) }
        }
        Ruling::Forbid { rules, words } => {
            let rules = named(rules);
            let refusal = Refusal::new(
                Code::PolicyForbids,
                format!("policy `{}` forbids it: {words}", rules.join("`, `")),
                "ask whoever keeps the organisation's policies",
            );
            Judged { rules, digest, hold: Err(refusal) }
        }
        Ruling::Error { rules, message } => {
            let rules = named(rules);
            let refusal = Refusal::new(
                Code::PolicyError,
                format!("the policies have no answer: {message} ({})", rules.join(", ")),
                "whoever keeps the organisation's policies can check them: `marque config check`",
            );
            Judged { rules, digest, hold: Err(refusal) }
        }
    }
}
