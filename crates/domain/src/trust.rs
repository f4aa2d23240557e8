//! Trust: a number computed from recorded inputs by published weights.
//!
//! A missing input counts against, never for.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::run::Tier;

/// What is known when a decision is made. `None` is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustInputs {
    /// How the run is held.
    pub tier: Option<Tier>,
    /// Whether it may make user namespaces, and so reaches more of the kernel.
    #[serde(default)]
    pub user_namespaces: Option<bool>,
    /// Whether a human approved the version that runs.
    pub version_approved: Option<bool>,
    /// Whether the agent's owner is still there.
    pub owner_present: Option<bool>,
    /// Refusals so far: of the run, or of the one above it that had most.
    pub refusals: Option<u64>,
}

/// The answer: a score, what it means, and what made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustScore {
    /// 0 to 100.
    pub score: u8,
    /// What it means.
    pub level: TrustLevel,
    /// Each input with the points it gave.
    pub contributions: Vec<Contribution>,
}

/// What a score means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrustLevel {
    /// Below 40: nothing is done.
    Untrusted,
    /// 40 to 59: reads go on, everything else asks a human.
    Pending,
    /// 60 and above.
    Trusted,
}

/// One input and the points it gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// The input.
    pub input: Cow<'static, str>,
    /// Points it gave.
    pub points: u8,
    /// Points it could have given.
    pub of: u8,
}

/// Points for each input; together 100.
const TIER: u8 = 30;
const VERSION: u8 = 30;
const OWNER: u8 = 20;
const BEHAVIOUR: u8 = 20;

/// The score these inputs make.
pub fn score(inputs: &TrustInputs) -> TrustScore {
    // Named in the table only where it is what took points.
    let (held, tier) = match (inputs.tier, inputs.user_namespaces) {
        (Some(Tier::Captured), Some(false)) => ("tier", TIER),
        (Some(Tier::Captured), _) => ("tier with user namespaces", 20),
        (Some(Tier::Confined), _) => ("tier", 20),
        (Some(Tier::Advisory), _) => ("tier", 10),
        (None, _) => ("tier", 0),
    };
    let version = if inputs.version_approved == Some(true) { VERSION } else { 0 };
    let owner = if inputs.owner_present == Some(true) { OWNER } else { 0 };
    // One point for every refusal, so that a single mistyped path costs next to nothing, and an
    // agent that probes its bounds falls to where one more weakness asks a human for every change.
    let behaviour = inputs
        .refusals
        .map_or(0, |refusals| BEHAVIOUR.saturating_sub(u8::try_from(refusals).unwrap_or(u8::MAX)));
    let contributions = vec![
        contribution(held, tier, TIER),
        contribution("version", version, VERSION),
        contribution("owner", owner, OWNER),
        contribution("behaviour", behaviour, BEHAVIOUR),
    ];
    let score = contributions.iter().fold(0, |sum: u8, part| sum.saturating_add(part.points));
    TrustScore { score, level: TrustLevel::of(score), contributions }
}

fn contribution(input: &'static str, points: u8, of: u8) -> Contribution {
    Contribution { input: input.into(), points, of }
}

impl TrustLevel {
    /// The level of a score.
    pub fn of(score: u8) -> Self {
        match score {
            0..40 => Self::Untrusted,
            40..60 => Self::Pending,
            _ => Self::Trusted,
        }
    }

    /// The level as one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Untrusted => "untrusted",
            Self::Pending => "pending",
            Self::Trusted => "trusted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{TrustInputs, TrustLevel, score};
    use crate::run::Tier;

    const GOOD: TrustInputs = TrustInputs {
        tier: Some(Tier::Captured),
        user_namespaces: Some(false),
        version_approved: Some(true),
        owner_present: Some(true),
        refusals: Some(0),
    };

    // threat 177
    #[test]
    fn a_missing_input_only_ever_lowers_the_score() {
        assert_eq!(score(&GOOD).score, 100);
        for lacking in [
            TrustInputs { tier: None, ..GOOD },
            TrustInputs { user_namespaces: None, ..GOOD },
            TrustInputs { version_approved: None, ..GOOD },
            TrustInputs { owner_present: None, ..GOOD },
            TrustInputs { refusals: None, ..GOOD },
        ] {
            assert!(score(&lacking).score < 100);
        }
        assert_eq!(score(&TrustInputs::default()).score, 0);
    }

    #[test]
    fn a_captured_run_that_may_make_user_namespaces_is_trusted_as_a_confined_one_and_told_why() {
        let nesting = score(&TrustInputs { user_namespaces: Some(true), ..GOOD });
        let confined = TrustInputs { tier: Some(Tier::Confined), ..GOOD };
        assert_eq!((nesting.score, score(&confined).score), (90, 90));
        assert!(nesting.contributions.iter().any(|part| part.input.contains("user namespaces")));
        // With one more weakness, and refusals that do no harm otherwise, a human is asked.
        let weak = TrustInputs { owner_present: Some(false), refusals: Some(11), ..GOOD };
        assert_eq!(score(&weak).level, TrustLevel::Trusted);
        let weak = TrustInputs { user_namespaces: Some(true), ..weak };
        assert_eq!(score(&weak).level, TrustLevel::Pending);
    }

    #[test]
    fn an_agent_that_keeps_running_into_refusals_loses_the_behaviour_points_and_no_more() {
        let advisory = TrustInputs { tier: Some(Tier::Advisory), ..GOOD };
        assert_eq!(score(&advisory).level, TrustLevel::Trusted);
        let probing =
            TrustInputs { refusals: Some(u64::MAX), owner_present: Some(false), ..advisory };
        assert_eq!(score(&probing).level, TrustLevel::Pending);
    }
}
