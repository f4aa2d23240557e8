//! The story: what happens, in order, and what each step must show.
//!
//! A step that needs what an earlier one failed to make says so and fails; the others go on.

mod approval;
mod calls;
mod git;
mod proof;
mod secrecy;
mod setup;

use std::path::Path;

use anyhow::Context as _;
use futures_util::future::LocalBoxFuture;
use tokio::process::Child;

use super::ground::{Ground, Said};
use super::journal::{self, GitLine, Line, Update};
use super::process;
use super::shell::{Shell, Typed};

/// The agent of the story.
const AGENT: &str = "triage";
/// Why it runs.
const TASK: &str = "ticket:OPS-12";

/// One step to come.
pub(super) struct Plan {
    /// What it shows.
    pub(super) name: &'static str,
    /// What must come out.
    pub(super) expected: &'static str,
    /// What it does.
    pub(super) act: for<'a> fn(&'a mut Story) -> LocalBoxFuture<'a, anyhow::Result<Seen>>,
}

/// What a step saw.
pub(super) struct Seen {
    /// What was typed.
    pub(super) command: String,
    /// What came out, in short.
    pub(super) observed: String,
    /// Whether that is what was expected.
    pub(super) ok: bool,
}

/// What the steps hand on to each other.
pub(super) struct Story {
    ground: Ground,
    api: Option<(Child, String)>,
    git_host: Option<(Child, String)>,
    server: Option<Child>,
    shell: Option<Shell>,
    /// The run's id.
    run: Option<String>,
    /// Its tier, as the server says it.
    tier: Option<String>,
    /// The approval that was asked for and its digest.
    approval: Option<(String, String)>,
    /// The push that was asked for.
    push: Option<Update>,
    /// What the launcher said at the run's end.
    farewell: Option<String>,
    /// Which entry the insider changed.
    forged: Option<u64>,
}

/// Every step but the last, which is to leave nothing behind.
pub(super) const PLAN: &[Plan] = &[
    Plan {
        name: "an API that demands a token",
        expected: "it listens, and answers 401 to whoever has none",
        act: |story| Box::pin(setup::api(story)),
    },
    Plan {
        name: "a git host that demands a token",
        expected: "it listens, and answers 401 to whoever has none",
        act: |story| Box::pin(setup::git_host(story)),
    },
    Plan {
        name: "a plane of its own",
        expected: "the server listens on its socket and its proxy door",
        act: |story| Box::pin(setup::up(story)),
    },
    Plan {
        name: "a human claims it",
        expected: "log entry 0 names the human",
        act: |story| Box::pin(setup::claim(story)),
    },
    Plan {
        name: "the agent gets a name of its own",
        expected: "a SPIFFE id, an owner, and no rights yet",
        act: |story| Box::pin(setup::agent(story)),
    },
    Plan {
        name: "the API's token is sealed in the vault",
        expected: "the token is set as a bearer token, and never shown",
        act: |story| Box::pin(setup::connection(story)),
    },
    Plan {
        name: "the git host's token is sealed as well",
        expected: "the token is the password of a user, and never shown",
        act: |story| Box::pin(setup::git_connection(story)),
    },
    Plan {
        name: "the agent may read, write items, push its own branches, and ask for more",
        expected: "a grant with an end",
        act: |story| Box::pin(setup::grant(story)),
    },
    Plan {
        name: "a run opens for a task",
        expected: "it says who, for what, until when, and how it is held",
        act: |story| Box::pin(calls::open(story)),
    },
    Plan {
        name: "whom is the agent logged in as?",
        expected: "as itself, in this run, for this task",
        act: |story| Box::pin(calls::whoami(story)),
    },
    Plan {
        name: "an allowed read goes through",
        expected: "200, and the API saw the right token",
        act: |story| Box::pin(calls::read(story)),
    },
    Plan {
        name: "an allowed write goes through",
        expected: "201, and the API saw the right token",
        act: |story| Box::pin(calls::write(story)),
    },
    Plan {
        name: "without Marque the run gets nowhere",
        expected: "no way there, or, where the run is not captured, 401 from the API itself",
        act: |story| Box::pin(calls::direct(story)),
    },
    Plan {
        name: "a write outside the mandate is refused",
        expected: "403 with the line that is missing and how to ask; it never arrives",
        act: |story| Box::pin(calls::refused(story)),
    },
    Plan {
        name: "a host nobody registered is refused",
        expected: "refused with 403, and nothing is dialled",
        act: |story| Box::pin(calls::unknown_host(story)),
    },
    Plan {
        name: "the agent cannot widen its own grant",
        expected: "refused, because the command comes from inside a run",
        act: |story| Box::pin(calls::own_pen(story)),
    },
    Plan {
        name: "an order waits for a human",
        expected: "403 with the id of an approval; it never arrives",
        act: |story| Box::pin(approval::held(story)),
    },
    Plan {
        name: "the human sees exactly what is asked",
        expected: "agent, task, operation, body and digest",
        act: |story| Box::pin(approval::shown(story)),
    },
    Plan {
        name: "the human says yes, with the passphrase",
        expected: "good for one use of that digest",
        act: |story| Box::pin(approval::given(story)),
    },
    Plan {
        name: "a changed order does not pass on that yes",
        expected: "held under another approval; it never arrives",
        act: |story| Box::pin(approval::changed(story)),
    },
    Plan {
        name: "the order that was approved goes through",
        expected: "201, and the body is the one the human saw",
        act: |story| Box::pin(approval::passed(story)),
    },
    Plan {
        name: "and only once",
        expected: "held again; it never arrives",
        act: |story| Box::pin(approval::once(story)),
    },
    Plan {
        name: "a clone with plain git goes through",
        expected: "the work tree is there, and the git host saw the right token",
        act: |story| Box::pin(git::cloned(story)),
    },
    Plan {
        name: "a push to the agent's own branch goes through",
        expected: "the git host noted that ref and that commit, with the right token",
        act: |story| Box::pin(git::pushed(story)),
    },
    Plan {
        name: "a push to main waits for a human",
        expected: "git itself says remote rejected, why, and how to approve; no push arrives",
        act: |story| Box::pin(git::held(story)),
    },
    Plan {
        name: "the human sees the repository, the ref and both commits",
        expected: "what `git push` would change, and nothing else",
        act: |story| Box::pin(git::shown(story)),
    },
    Plan {
        name: "the human says yes to that push",
        expected: "good for one use of that digest",
        act: |story| Box::pin(approval::given(story)),
    },
    Plan {
        name: "the push that was approved goes through",
        expected: "the git host noted the very update the human saw",
        act: |story| Box::pin(git::passed(story)),
    },
    Plan {
        name: "another commit to main does not pass on that yes",
        expected: "held under another approval; no push arrives",
        act: |story| Box::pin(git::once(story)),
    },
    Plan {
        name: "a repository outside the mandate is refused",
        expected: "git itself says so, and the git host hears nothing",
        act: |story| Box::pin(git::refused(story)),
    },
    Plan {
        name: "the run never holds a token",
        expected: "neither is in any environment, argument, file or output",
        act: |story| Box::pin(secrecy::hunt(story)),
    },
    Plan {
        name: "a kill cuts the stream that is under way",
        expected: "no byte later than 100 ms after the kill, and the run's command is ended",
        act: |story| Box::pin(calls::kill(story)),
    },
    Plan {
        name: "the run's end leaves a checkpoint outside the plane",
        expected: "size and root, printed and kept with the run's leaves",
        act: |story| Box::pin(async { proof::anchored(story) }),
    },
    Plan {
        name: "the log tells who did what for whom under which rule",
        expected: "a sentence for each: allowed, held, refused and cut",
        act: |story| Box::pin(proof::told(story)),
    },
    Plan {
        name: "the hosts' notes and Marque's log agree, both ways",
        expected: "every use of a token has one entry, and every entry one use",
        act: |story| Box::pin(proof::judged(story)),
    },
    Plan {
        name: "the log is proved against that checkpoint",
        expected: "it holds, anchored",
        act: |story| Box::pin(proof::verified(story)),
    },
    Plan {
        name: "the server ends in order",
        expected: "exit code 0",
        act: |story| Box::pin(setup::down(story)),
    },
    Plan {
        name: "an insider blames another agent, and signs it all anew",
        expected: "the forgery is consistent with itself",
        act: |story| Box::pin(proof::forged(story)),
    },
    Plan {
        name: "the checkpoint finds it",
        expected: "the same command fails, and names the entry",
        act: |story| Box::pin(proof::found(story)),
    },
];

impl Story {
    /// Before its first step.
    pub(super) fn new(ground: Ground) -> Self {
        Self {
            ground,
            api: None,
            git_host: None,
            server: None,
            shell: None,
            run: None,
            tier: None,
            approval: None,
            push: None,
            farewell: None,
            forged: None,
        }
    }

    /// The directory all of it happens in.
    pub(super) fn root(&self) -> &Path {
        self.ground.root()
    }

    /// Ends what still runs.
    pub(super) async fn end(mut self) -> Ground {
        if let Some(mut shell) = self.shell.take() {
            process::end(&mut shell.launcher).await;
        }
        if let Some(mut server) = self.server.take() {
            process::end(&mut server).await;
        }
        for (mut host, _) in self.api.take().into_iter().chain(self.git_host.take()) {
            process::end(&mut host).await;
        }
        self.ground
    }

    /// Runs `marque` beside the server. Without one, commands would start another.
    async fn marque(&mut self, words: &[&str]) -> anyhow::Result<Said> {
        self.server.as_ref().context("not tried: no server runs")?;
        self.ground.marque(words).await
    }

    /// The same, for a command that must work.
    async fn must(&mut self, words: &[&str]) -> anyhow::Result<Said> {
        self.server.as_ref().context("not tried: no server runs")?;
        self.ground.must(words).await
    }

    /// Types a command in the run's shell.
    async fn types(&mut self, command: &str) -> anyhow::Result<Typed> {
        self.shell.as_mut().context("not tried: no run is open")?.types(command).await
    }

    fn run(&self) -> anyhow::Result<&str> {
        self.run.as_deref().context("not tried: no run was opened")
    }

    fn is_captured(&self) -> anyhow::Result<bool> {
        Ok(self.tier.as_deref().context("not tried: no run was opened")? == "captured")
    }

    fn git_address(&self) -> anyhow::Result<&str> {
        let (_, address) =
            self.git_host.as_ref().context("not tried: the git host does not run")?;
        Ok(address)
    }

    fn api_address(&self) -> anyhow::Result<&str> {
        let (_, address) = self.api.as_ref().context("not tried: the API does not run")?;
        Ok(address)
    }

    /// What the API noted so far.
    fn notes(&self) -> anyhow::Result<Vec<Line>> {
        journal::read(&self.ground.at_desk("api.jsonl")).context("the API noted nothing")
    }

    /// What the git host noted so far.
    fn git_notes(&self) -> anyhow::Result<Vec<GitLine>> {
        journal::read(&self.ground.at_desk("git.jsonl")).context("the git host noted nothing")
    }
}
