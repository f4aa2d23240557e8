//! Stage 4, `policy`: does the organisation forbid it, or ask for a human?
//!
//! Policies can only take away. What they say is given by `marque-policy`; this stage turns it
//! into evidence or a refusal.

use marque_domain::{Code, Digest, Operation, Refusal, Timestamp, TrustScore};
use marque_policy::{PolicyFacts, Ruling};

use crate::mandate::Mandated;
use crate::run::Standing;
use crate::world::World;

/// An operation the organisation's policies let pass, perhaps with a human's consent.
pub(crate) struct Judged {
    /// The policies that spoke.
    pub(crate) rules: Vec<String>,
    /// Of the set they belong to.
    pub(crate) digest: Digest,
    /// A human must answer first.
    pub(crate) hold: Option<Refusal>,
}

/// What the policies in force say. An evaluation error refuses.
pub(crate) fn judge(
    world: &World,
    standing: &Standing,
    mandated: &Mandated,
    trust: &TrustScore,
    (operation, now): (&Operation, Timestamp),
) -> Result<Judged, Refusal> {
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
        Ruling::Pass => Ok(Judged { rules: Vec::new(), digest, hold: None }),
        Ruling::Ask { rules, words } => {
            let hold = Refusal::new(
                Code::PolicyNeedsApproval,
                format!("a policy asks a human first: {words}"),
                "a human answers with `marque approval give`, then the same request goes through \
                 once",
            );
            Ok(Judged { rules: named(rules), digest, hold: Some(hold) })
        }
        Ruling::Forbid { rules, words } => Err(Refusal::new(
            Code::PolicyForbids,
            format!("policy `{}` forbids it: {words}", named(rules).join("`, `")),
            "ask whoever keeps the organisation's policies",
        )),
        Ruling::Error { rules, message } => Err(Refusal::new(
            Code::PolicyError,
            format!("the policies have no answer: {message} ({})", named(rules).join(", ")),
            "whoever keeps the organisation's policies can check them: `marque config check`",
        )),
    }
}
