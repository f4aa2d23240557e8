//! Inside the run: plain git, without a word about Marque. Cloned, pushed, held, shown, passed,
//! and never for another commit.

use anyhow::Context as _;

use super::{AGENT, Seen, Story};
use crate::demo::git_host::HOST;
use crate::demo::journal::{GitLine, Update};

/// The repository the agent works on.
pub(super) const WEB: &str = "acme/web";
/// The repository it has no business with.
pub(super) const SECRET: &str = "acme/secret";

const OWN: &str = "refs/heads/agent/fix";
const MAIN: &str = "refs/heads/main";
const PUSH_TO_MAIN: &str = "git -C web push origin HEAD:main";

/// What git printed.
struct Answer {
    command: String,
    code: i32,
    out: String,
    /// What the git host noted meanwhile.
    noted: Vec<GitLine>,
}

impl Story {
    /// Types a plain git command in the run.
    async fn git(&mut self, command: &str) -> anyhow::Result<Answer> {
        let before = self.git_notes()?.len();
        let typed = self.types(command).await?;
        let noted = self.git_notes()?.split_off(before);
        Ok(Answer { command: typed.command, code: typed.code, out: typed.out, noted })
    }

    /// Commits a change in the clone; the new commit.
    async fn commit(&mut self, text: &str) -> anyhow::Result<String> {
        let command = format!("echo '{text}' >> web/README.md && git -C web commit -qam '{text}'");
        self.types(&command).await?;
        self.head().await
    }

    async fn head(&mut self) -> anyhow::Result<String> {
        Ok(self.types("git -C web rev-parse HEAD").await?.out)
    }
}

impl Answer {
    /// The updates the git host noted with the right token.
    fn updates(&self) -> Vec<&Update> {
        let right = self.noted.iter().filter(|line| line.is_right);
        right.flat_map(|line| &line.updates).collect()
    }

    /// The approval its refusal names.
    fn asked(&self) -> Option<&str> {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let mut words = self.out.split(|letter| !is_part(letter));
        words.find(|word| word.starts_with("apr_"))
    }

    /// Whether git itself told of a hold, and no push arrived.
    fn is_held(&self) -> bool {
        let said = |part: &str| self.out.contains(part);
        self.code != 0
            && said("[remote rejected]")
            && said("marque approval give apr_")
            && !self.noted.iter().any(GitLine::is_push)
    }

    fn seen(self, ok: bool) -> Seen {
        Seen { command: self.command, observed: self.out, ok }
    }

    /// What the git host noted of a push.
    fn noted_as(self, ok: bool) -> Seen {
        let told = self.updates().into_iter().map(told).collect::<Vec<_>>().join(", ");
        let observed =
            format!("exit code {}, noted with the right token: {told}\n{}", self.code, self.out);
        Seen { command: self.command, observed, ok }
    }
}

fn told(update: &Update) -> String {
    format!("{} {} -> {}", update.name, short(&update.old), short(&update.new))
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

pub(super) async fn cloned(story: &mut Story) -> anyhow::Result<Seen> {
    let answer = story.git(&format!("git clone https://{HOST}/{WEB}")).await?;
    let head = story.head().await?;
    let is_right = answer.noted.len() >= 2 && answer.noted.iter().all(|line| line.is_right);
    let ok = answer.code == 0 && is_right && !head.is_empty();
    let observed = format!(
        "exit code {}, at {}; noted {} times with the right token",
        answer.code,
        short(&head),
        answer.noted.len()
    );
    Ok(Seen { command: answer.command, observed, ok })
}

pub(super) async fn pushed(story: &mut Story) -> anyhow::Result<Seen> {
    let new = story.commit("a fix").await?;
    let answer = story.git(&format!("git -C web push origin HEAD:{OWN}")).await?;
    let updates = answer.updates();
    let is_it = matches!(updates.as_slice(), [one] if one.name == OWN && one.new == new);
    let ok = answer.code == 0 && is_it;
    Ok(answer.noted_as(ok))
}

pub(super) async fn held(story: &mut Story) -> anyhow::Result<Seen> {
    let old = story.types("git -C web rev-parse origin/main").await?.out;
    let update = Update { old, new: story.head().await?, name: MAIN.to_owned() };
    let answer = story.git(PUSH_TO_MAIN).await?;
    story.approval = answer.asked().map(|id| (id.to_owned(), String::new()));
    story.push = Some(update);
    let ok = answer.is_held();
    Ok(answer.seen(ok))
}

pub(super) async fn shown(story: &mut Story) -> anyhow::Result<Seen> {
    let (id, _) = story.approval.clone().context("not tried: nothing was held")?;
    let push = story.push.clone().context("not tried: nothing was held")?;
    let said = story.must(&["approval", "show", &id]).await?;
    let part = |name: &str| said.field(name).unwrap_or_default().to_owned();
    let (by, operation, digest) = (part("asked by"), part("operation"), part("digest"));
    let has = |text: &str| said.out.contains(text);
    let ok = by.starts_with(AGENT)
        && operation.contains("git.push")
        && operation.contains(WEB)
        && operation.contains(MAIN)
        && has(&push.old)
        && has(&push.new)
        && digest.starts_with("sha256:");
    let observed = format!("{by}: {operation}, {}, {digest}", told(&push));
    story.approval = Some((id, digest));
    Ok(Seen { command: said.command, observed, ok })
}

pub(super) async fn passed(story: &mut Story) -> anyhow::Result<Seen> {
    let push = story.push.clone().context("not tried: nothing was held")?;
    let answer = story.git(PUSH_TO_MAIN).await?;
    let ok = answer.code == 0 && answer.updates() == [&push];
    Ok(answer.noted_as(ok))
}

pub(super) async fn once(story: &mut Story) -> anyhow::Result<Seen> {
    let (id, _) = story.approval.clone().context("not tried: nothing was held")?;
    story.commit("more than was asked").await?;
    let answer = story.git(PUSH_TO_MAIN).await?;
    let ok = answer.is_held() && answer.asked().is_some_and(|other| other != id);
    Ok(answer.seen(ok))
}

/// No line of the grant speaks of that repository.
pub(super) async fn refused(story: &mut Story) -> anyhow::Result<Seen> {
    let answer = story.git(&format!("git clone https://{HOST}/{SECRET}")).await?;
    let said = answer.out.contains("fatal: remote error: ");
    let ok = answer.code != 0 && said && answer.noted.is_empty();
    Ok(answer.seen(ok))
}
