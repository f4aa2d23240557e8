//! Decisions: what one costs with many agents and many policies, beside what Cedar alone takes.
//!
//! What is timed is a preview: stages 1 to 7 with the digest of the operation, all that is done
//! before an answer is recorded, and so more than the stages 2 to 6 that the bar speaks of. All
//! planes stand at once and take turns; every second round runs backwards.

mod cedar;
pub(crate) mod crowd;
mod memory;
pub(crate) mod rules;
mod scene;
mod timed;

pub use memory::{Counted, count};
pub use timed::time;

/// One plane that is measured: so many agents, so many policies, and whether those name anything.
#[derive(Debug, Clone, Copy)]
struct Case {
    agents: usize,
    policies: usize,
    is_scoped: bool,
}

const fn scoped(agents: usize, policies: usize) -> Case {
    Case { agents, policies, is_scoped: true }
}

/// Those of issue and bars: each number of agents with each number of policies, ten thousand
/// policies to see growth, and policies that name nothing.
const CASES: [Case; 11] = [
    scoped(100, 10),
    scoped(100, 100),
    scoped(100, 1_000),
    scoped(10_000, 10),
    scoped(10_000, 100),
    scoped(10_000, 1_000),
    scoped(100_000, 10),
    scoped(100_000, 100),
    scoped(100_000, 1_000),
    scoped(100_000, 10_000),
    Case { agents: 100_000, policies: 1_000, is_scoped: false },
];
