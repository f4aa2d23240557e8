//! The installed tools, each tried through a real gateway inside a real run: the second half of
//! `marque doctor`.
//!
//! On the demonstration's ground: a plane, an API behind a token, and a run with a shell in it. A
//! tool counts as served if the API noted its request with the right token, and the tool printed
//! the number that stands in no other answer.

pub(super) mod answers;
mod table;

use std::ffi::OsStr;
use std::time::Duration;

use anyhow::Context as _;
use marque_domain::Tier;
use tokio::process::{Child, Command};

use self::table::{NOT_INSTALLED, TOOLS, Tool, Wanted};
use super::api::HOST;
use super::ground::{Ground, one_line};
use super::journal::{self, Line};
use super::shell::{Shell, Typed};
use super::{hosts, interrupted, process};
use crate::context::Context;
use crate::doctor::{Row, Verdict};

const AGENT: &str = "doctor";
/// How long a tool may take.
const PATIENCE_SECS: u64 = 10;
/// Most letters of what a tool printed.
const SHOWN_MAX: usize = 100;
/// Where tools find themselves.
const PASSED: &[&str] = &[
    "CARGO_HOME",
    "GOPATH",
    "GOROOT",
    "JAVA_HOME",
    "NVM_DIR",
    "PYENV_ROOT",
    "RUSTUP_HOME",
    "VIRTUAL_ENV",
];

/// Tries them all in that tier, and hands each row on as soon as it is known.
pub(crate) async fn rows(
    context: &Context,
    tier: Tier,
    tell: &mut dyn FnMut(Row),
) -> anyhow::Result<()> {
    let ground = Ground::lay(context, "marque-doctor-", &["sh"])?;
    let mut clinic = Clinic { ground, api: None, server: None, shell: None, tier };
    let tried = tokio::select! {
        tried = clinic.tries(context, tell) => tried,
        interrupted = interrupted() => interrupted,
    };
    let left = clinic.clear().await;
    tried?;
    tell(left);
    Ok(())
}

struct Clinic {
    ground: Ground,
    api: Option<Child>,
    server: Option<Child>,
    shell: Option<Shell>,
    tier: Tier,
}

impl Clinic {
    async fn tries(&mut self, context: &Context, tell: &mut dyn FnMut(Row)) -> anyhow::Result<()> {
        self.opens().await.context("cannot make a plane to try tools on")?;
        let path = context.environment.os("PATH").unwrap_or_default().to_owned();
        for tool in TOOLS {
            let row = if is_found(&path, tool.program) {
                self.tries_one(context, tool).await?
            } else {
                Row::absent(tool.name, format!("`{}` is not on PATH", tool.program))
            };
            tell(row);
        }
        Ok(())
    }

    /// The plane, the API, and what the agent may do with it.
    async fn opens(&mut self) -> anyhow::Result<()> {
        let words = ["demo", "api", "--authority", "authority.pem", "--log", "api.jsonl"];
        let token = self.ground.token.clone();
        let (api, address) = hosts::host(&self.ground, &words, &token).await?;
        self.api = Some(api);
        self.server = Some(hosts::plane(&self.ground).await?.server);
        let ground = &mut self.ground;
        ground.must(&["claim", "--name", super::ground::HUMAN]).await?;
        ground.must(&["agent", "add", AGENT, "--purpose", "tries the tools"]).await?;
        ground.private_file("token", &token)?;
        let words = ["connection", "add", "demo", "--host", HOST, "--pin", &address];
        let secret = ["--authority", "authority.pem", "--bearer", "--secret-file", "token"];
        ground.must(&[&words[..], &secret].concat()).await?;
        std::fs::remove_file(ground.at_desk("token"))?;
        let grant = ["grant", "add", AGENT, "--allow", "demo:GET /v1/tools/**", "--until", "1d"];
        ground.must(&grant).await?;
        Ok(())
    }

    async fn shell(&mut self, context: &Context) -> anyhow::Result<&mut Shell> {
        let shell = if let Some(shell) = self.shell.take() {
            shell
        } else {
            Shell::open(self.command(context)).await.context("cannot open a run")?
        };
        Ok(self.shell.insert(shell))
    }

    /// A run with a shell in it: the tools are as they would be, with their real home where nothing
    /// can be written to it.
    fn command(&self, context: &Context) -> Command {
        let tier = self.tier.to_string();
        let mut command =
            self.ground.command(&["run", "--tier", &tier, "--agent", AGENT, "--", "sh"]);
        let passed = PASSED.iter().filter_map(|name| Some((name, context.environment.os(name)?)));
        command.envs(passed);
        let home = context.environment.os("HOME").filter(|_| self.tier > Tier::Advisory);
        command.envs(home.map(|home| ("HOME", home)));
        command.current_dir(self.ground.root().join("work"));
        command
    }

    async fn tries_one(&mut self, context: &Context, tool: &Tool) -> anyhow::Result<Row> {
        if tool.wanted == Wanted::Reason && self.tier < Tier::Captured {
            let result = format!("cannot be reached in tier {}", self.tier);
            return Ok(Row {
                remedy: Some(tool.remedy.to_owned()),
                ..Row::absent(tool.name, result)
            });
        }
        let url = format!("https://{HOST}/v1/tools/{}", tool.key);
        let script = self.ground.root().join("work").join(format!("{}.sh", tool.key));
        std::fs::write(&script, tool.script.replace("{url}", &url))?;
        let secs = PATIENCE_SECS;
        let command = format!(
            "if command -v timeout >/dev/null; then timeout -k 1 {secs} sh ./{key}.sh; \
             else sh ./{key}.sh; fi </dev/null",
            key = tool.key
        );
        let patience = Duration::from_secs(secs + 3);
        let typed = self.shell(context).await?.types_within(&command, patience).await;
        if let Ok(typed) = typed {
            return self.judged(tool, &typed);
        }
        // The next tool gets another run.
        if let Some(mut shell) = self.shell.take() {
            process::end(&mut shell.launcher).await;
        }
        Ok(Row::failed(tool.name, format!("no end after {secs} s"), tool.remedy))
    }

    fn judged(&self, tool: &Tool, typed: &Typed) -> anyhow::Result<Row> {
        let said = typed.out.lines().filter(|line| !line.trim().is_empty());
        let last = said.clone().find(|line| is_error(line)).or_else(|| said.clone().next_back());
        let last = last.unwrap_or_default();
        if typed.code == 0 && typed.out.trim() == NOT_INSTALLED {
            return Ok(Row::absent(tool.name, NOT_INSTALLED));
        }
        if tool.wanted == Wanted::Reason {
            let reason = said.clone().find(|line| line.contains("marque"));
            return Ok(match reason {
                Some(reason) => Row {
                    verdict: Verdict::Refused,
                    said: Some(one_line(reason)),
                    ..Row::ok(tool.name, "refused with a reason, as documented")
                },
                None => Row::failed(tool.name, format!("no reason: {}", short(last)), tool.remedy),
            });
        }
        let noted: Vec<Line> = journal::read(&self.ground.at_desk("api.jsonl"))?;
        let place = format!("/v1/tools/{}", tool.key);
        let its = |line: &&Line| {
            let rest = line.path.strip_prefix(&place);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut arrived = noted.iter().filter(its).peekable();
        let has_arrived = arrived.peek().is_some();
        let shows = |line: &Line| {
            let digits = answers::digits(&line.nonce);
            line.is_right && (typed.out.contains(&line.nonce) || typed.out.contains(&digits))
        };
        if arrived.any(shows) {
            return Ok(Row::ok(tool.name, "served, with the credential"));
        }
        let what = if has_arrived { "arrived, and was not understood" } else { "did not arrive" };
        let code = match typed.code {
            124 | 137 => format!("no end after {PATIENCE_SECS} s"),
            code => format!("exit code {code}: {}", short(last)),
        };
        let row = Row::failed(tool.name, format!("{what}; {code}"), tool.remedy);
        Ok(Row { said: Some(one_line(&typed.out)), ..row })
    }

    /// Ends every process and removes every file.
    async fn clear(mut self) -> Row {
        const WHAT: &str = "left behind";
        const REMEDY: &str = "end what is left by hand, and tell us";
        if let Some(shell) = self.shell.take() {
            let _ended = shell.close().await;
        }
        for mut child in [self.api.take(), self.server.take()].into_iter().flatten() {
            process::end(&mut child).await;
        }
        let strays = process::sweep(self.ground.root()).await;
        match self.ground.clear() {
            Ok(path) if strays == 0 && !path.exists() => Row::ok(WHAT, "nothing"),
            Ok(_) => Row::failed(WHAT, format!("{strays} processes had to be ended"), REMEDY),
            Err(error) => Row::failed(WHAT, format!("{error:#}"), REMEDY),
        }
    }
}

/// One line of what a tool printed, as much as a table holds.
fn short(line: &str) -> String {
    let line = one_line(line);
    let some: String = line.chars().take(SHOWN_MAX).collect();
    if some.len() < line.len() { format!("{some}…") } else { some }
}

fn is_error(line: &str) -> bool {
    ["error", "Error", "ERROR", "xception"].iter().any(|word| line.contains(word))
}

fn is_found(path: &OsStr, program: &str) -> bool {
    std::env::split_paths(path).any(|dir| dir.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::answers::{answer, digits};
    use super::table::{TOOLS, Wanted};

    #[test]
    fn every_tool_is_answered_with_the_number_of_its_request() {
        let nonce = "00ff00ff00ff00ff";
        for tool in TOOLS.iter().filter(|tool| tool.wanted == Wanted::Answer) {
            let path: &[&str] = if tool.key == "git" { &["info", "refs"] } else { &["some"] };
            let (_, body) = answer(tool.key, path, nonce).unwrap();
            let is_told = body.contains(nonce) || body.contains(&digits(nonce));
            assert!(is_told, "{}: {body}", tool.name);
            assert!(tool.script.contains("{url}"), "{}", tool.name);
        }
    }
}
