//! Tokens: what one costs with few and many agents, policies and open runs.
//!
//! All planes stand at once and take turns; every second round runs backwards. What is timed is the
//! CPU of the token endpoint, from the parsed request to the signed token, its record committed and
//! not yet on the disk.

mod client;
mod scene;

use serde_json::json;

use crate::clock::{computed, moment};
use crate::figures::{micros, real};
use crate::lines::{Words, tell};
use scene::Scene;

/// One plane that is measured: so many agents, policies and open runs.
#[derive(Debug, Clone, Copy)]
struct Case {
    agents: usize,
    policies: usize,
    runs: usize,
}

/// Each of the three grown by itself, and all of them.
const CASES: [Case; 7] = [
    Case { agents: 100, policies: 10, runs: 100 },
    Case { agents: 100_000, policies: 10, runs: 100 },
    Case { agents: 100, policies: 10_000, runs: 100 },
    Case { agents: 100, policies: 10, runs: 1_000 },
    Case { agents: 100, policies: 10, runs: 10_000 },
    Case { agents: 100, policies: 10, runs: 100_000 },
    Case { agents: 100_000, policies: 10_000, runs: 100_000 },
];

/// `token --rounds N --requests N`: a line for each case, request and round.
pub async fn grow(words: &Words) -> anyhow::Result<()> {
    let (rounds, requests) = (words.number("--rounds", 5)?, words.number("--requests", 2_000)?);
    let directory = tempfile::Builder::new().prefix("marque-bench-").tempdir()?;
    let mut scenes = Vec::new();
    for (number, case) in CASES.into_iter().enumerate() {
        let begun = moment();
        let database = directory.path().join(format!("case-{number}.db"));
        scenes.push(Scene::lay(case, &database).await?);
        let took = moment().saturating_sub(begun).as_secs_f64();
        let Case { agents, policies, runs } = case;
        eprintln!("{agents} agents, {policies} policies, {runs} runs: ready in {took:.1} s");
    }
    for round in 0..rounds {
        let mut turns: Vec<&Scene> = scenes.iter().collect();
        if round % 2 != 0 {
            turns.reverse();
        }
        for scene in turns {
            for (what, is_exchange) in [("credentials", false), ("exchange", true)] {
                // Signing is work of the client.
                let prepared = scene.prepare(is_exchange, requests).await?;
                let before = computed();
                for request in prepared {
                    scene.ask(request).await?;
                }
                let cpu = micros(computed().saturating_sub(before)) / real(requests);
                let Case { agents, policies, runs } = scene.case;
                tell(&json!({
                    "what": what, "agents": agents, "policies": policies, "runs": runs,
                    "round": round, "cpu_us": cpu,
                }))?;
            }
        }
    }
    Ok(())
}
