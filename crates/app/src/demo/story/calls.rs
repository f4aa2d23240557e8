//! Inside the run: plain curl, without a word about Marque.

use std::time::Duration;

use anyhow::Context as _;
use marque_domain::{LogEntry, Timestamp};

use super::{AGENT, Seen, Story, TASK};
use crate::clock::SystemClock;
use crate::demo::api::HOST;
use crate::demo::ground::{one_line, typed};
use crate::demo::shell::Shell;

/// Prints the status on a line of its own after the answer.
const CURL: &str = r"curl -sSw '\n%{http_code}'";
/// The longest a kill may take to be felt.
const KILL_BAR: Duration = Duration::from_millis(100);

/// What curl printed.
pub(super) struct Answer {
    pub(super) command: String,
    pub(super) status: String,
    pub(super) body: String,
    /// How many requests the API noted meanwhile.
    pub(super) arrived: usize,
}

impl Story {
    /// Types a plain curl in the run.
    pub(super) async fn curl(&mut self, words: &str) -> anyhow::Result<Answer> {
        let before = self.notes()?.len();
        let typed = self.types(&format!("{CURL} {words}")).await?;
        let (body, status) = typed.out.rsplit_once('\n').unwrap_or(("", &typed.out));
        let (body, status) = (body.trim().to_owned(), status.trim().to_owned());
        let arrived = self.notes()?.len() - before;
        Ok(Answer { command: typed.command, status, body, arrived })
    }
}

impl Answer {
    /// The nonce the API drew for it.
    fn nonce(&self) -> Option<String> {
        let document: serde_json::Value = serde_json::from_str(&self.body).ok()?;
        Some(document.get("nonce")?.as_str()?.to_owned())
    }

    /// What Marque said instead of the API.
    pub(super) fn refusal(self, ok: bool) -> Seen {
        let observed = format!("{}\n{}", self.status, self.body);
        Seen { command: self.command, observed, ok }
    }

    /// Whether the API answered, noted this very request, and saw the right token.
    pub(super) fn passed(self, story: &Story, status: &str) -> anyhow::Result<Seen> {
        let nonce = self.nonce().unwrap_or_default();
        let notes = story.notes()?;
        let noted = notes.iter().find(|line| line.nonce == nonce);
        let saw = match noted {
            Some(line) if line.is_right => {
                format!("noted by the API as {nonce}, with the right token")
            }
            Some(_) => format!("noted by the API as {nonce}, with a wrong token"),
            None => "not noted by the API".to_owned(),
        };
        let ok = self.status == status && noted.is_some_and(|line| line.is_right);
        Ok(Seen { observed: format!("{}, {saw}", self.status), ok, command: self.command })
    }
}

/// Opens the run with a shell in it.
pub(super) async fn open(story: &mut Story) -> anyhow::Result<Seen> {
    story.server.as_ref().context("not tried: no server runs")?;
    let words = ["run", "--agent", AGENT, "--task", TASK, "--ttl", "10m", "--", "sh"];
    let mut command = story.ground.command(&words);
    command.current_dir(story.ground.root().join("work"));
    let shell = story.shell.insert(Shell::open(command).await?);
    let run = shell.types(r#"echo "$MARQUE_RUN""#).await?.out;
    story.run = Some(run.clone());
    let shown = story.must(&["run", "show", &run]).await?;
    let part = |name: &str| shown.field(name).unwrap_or_default().to_owned();
    let (agent, task, tier) = (part("agent"), part("task"), part("tier"));
    story.tier = Some(tier.clone());
    let observed = format!("{run}: {agent} for {task} until {}, {tier}", part("until"));
    let ok = agent == "triage@v1" && task == TASK && part("state") == "open";
    Ok(Seen { command: typed(&words), observed, ok })
}

/// The question Marque is there to answer, asked from inside.
pub(super) async fn whoami(story: &mut Story) -> anyhow::Result<Seen> {
    let typed = story.types("marque whoami").await?;
    let identity = typed.out.lines().find_map(|line| line.strip_prefix("spiffe id "));
    let identity = identity.unwrap_or_default().trim().to_owned();
    let ok = typed.code == 0
        && identity.ends_with(&format!("/agent/{AGENT}/run/{}", story.run()?))
        && typed.out.contains(TASK);
    Ok(Seen { command: typed.command, observed: identity, ok })
}

pub(super) async fn read(story: &mut Story) -> anyhow::Result<Seen> {
    story.curl(&format!("https://{HOST}/v1/items")).await?.passed(story, "200")
}

pub(super) async fn write(story: &mut Story) -> anyhow::Result<Seen> {
    let words = format!("-d 'title=printer on fire' https://{HOST}/v1/items");
    story.curl(&words).await?.passed(story, "201")
}

/// Straight to the API, past every proxy.
pub(super) async fn direct(story: &mut Story) -> anyhow::Result<Seen> {
    let port = story.api_address()?.rsplit_once(':').context("it has no port")?.1.to_owned();
    let words = format!(
        "--noproxy '*' --cacert ../desk/authority.pem --resolve {HOST}:{port}:127.0.0.1 \
         https://{HOST}:{port}/v1/items"
    );
    let answer = story.curl(&words).await?;
    let is_turned_away = answer.status == "401" && answer.arrived == 1;
    // A captured run does not even get there.
    let is_held = answer.status == "000" && answer.arrived == 0;
    let ok = if story.is_captured()? { is_held } else { is_turned_away };
    Ok(answer.refusal(ok))
}

/// No line of the grant speaks of deleting.
pub(super) async fn refused(story: &mut Story) -> anyhow::Result<Seen> {
    let answer = story.curl(&format!("-X DELETE https://{HOST}/v1/items/7")).await?;
    let said = |part: &str| answer.body.contains(part);
    let ok = answer.status == "403"
        && answer.arrived == 0
        && said("`demo:DELETE /v1/items/7`")
        && said("hint: ");
    Ok(answer.refusal(ok))
}

/// curl shows what a proxy says to a tunnel only among the headers.
pub(super) async fn unknown_host(story: &mut Story) -> anyhow::Result<Seen> {
    let typed = story.types("curl -sSi https://files.elsewhere.test/").await?;
    let marks = ["HTTP/", "marque-refusal: ", "curl: "];
    let told = typed.out.lines().filter(|line| marks.iter().any(|mark| line.starts_with(mark)));
    let observed = told.collect::<Vec<_>>().join("\n");
    let said = |part: &str| observed.contains(part);
    let ok = said(" 403 ") && said("refused.mandate.");
    Ok(Seen { command: typed.command, observed, ok })
}

/// The agent tries to administer.
pub(super) async fn own_pen(story: &mut Story) -> anyhow::Result<Seen> {
    let words = format!("marque grant add {AGENT} --allow 'demo:DELETE /v1/**' --until 1d");
    let typed = story.types(&words).await?;
    let ok = typed.code == 3 && typed.out.contains("error: ");
    let observed = format!("exit code {}\n{}", typed.code, typed.out);
    Ok(Seen { command: typed.command, observed, ok })
}

/// A human kills the run while an answer streams into it.
pub(super) async fn kill(story: &mut Story) -> anyhow::Result<Seen> {
    let run = story.run()?.to_owned();
    let mut shell = story.shell.take().context("not tried: no run is open")?;
    shell.begins(&format!("curl -sSN https://{HOST}/v1/slow")).await?;
    shell.lines(5).await?;
    let clock = SystemClock::start();
    let words = ["kill", &run];
    let (said, last_byte) = tokio::join!(story.marque(&words), shell.last_byte(&clock));
    let (said, last_byte) = (said?, last_byte?);
    let (code, farewell) = shell.close().await?;
    story.ground.printed.push(farewell.clone().into_bytes());
    story.farewell = Some(farewell);
    let felt = last_byte.since(closed_at(story, &run).await?);
    let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
    let observed = format!(
        "{}; last byte {} ms after the kill, exit code of the run {code}",
        one_line(&said.out),
        felt.as_millis()
    );
    let ok = said.code == Some(0) && felt <= KILL_BAR && code == "137";
    Ok(Seen { command: said.command, observed, ok })
}

/// When the log says the run was closed. Before that the command still proves its human, by a
/// function that is slow on purpose.
async fn closed_at(story: &mut Story, run: &str) -> anyhow::Result<Timestamp> {
    let words = ["log", "query", "--run", run, "--event", "run_closed", "--json"];
    let said = story.must(&words).await?;
    let entries: Vec<LogEntry> = serde_json::from_str(&said.out)?;
    Ok(entries.first().context("the log does not say that the run was closed")?.at)
}
