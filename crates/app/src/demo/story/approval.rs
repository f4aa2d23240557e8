//! The order: held, shown, given, used once, and never for anything else.

use anyhow::Context as _;

use super::calls::Answer;
use super::{AGENT, Seen, Story, TASK};
use crate::demo::api::HOST;

/// The order that is asked for.
const ORDER: &str = "item=toner&count=2";
/// The order that nobody was asked about.
const CHANGED: &str = "item=toner&count=2000";

async fn order(story: &mut Story, body: &str) -> anyhow::Result<Answer> {
    story.curl(&format!("-d '{body}' https://{HOST}/v1/orders")).await
}

/// The approval a refusal names, as its last line does.
fn asked(answer: &Answer) -> Option<&str> {
    let reference = answer.body.lines().find_map(|line| line.strip_prefix("ref: "))?;
    reference.starts_with("apr_").then_some(reference)
}

/// Held under an approval of which `is_fine` holds, and noted by nobody.
fn is_held(answer: &Answer, is_fine: impl FnOnce(&str) -> bool) -> bool {
    answer.status == "403" && answer.arrived == 0 && asked(answer).is_some_and(is_fine)
}

pub(super) async fn held(story: &mut Story) -> anyhow::Result<Seen> {
    let answer = order(story, ORDER).await?;
    let id = asked(&answer).map(str::to_owned);
    story.approval = id.map(|id| (id, String::new()));
    let ok = is_held(&answer, |_| true);
    Ok(answer.refusal(ok))
}

pub(super) async fn shown(story: &mut Story) -> anyhow::Result<Seen> {
    let (id, _) = story.approval.clone().context("not tried: nothing was held")?;
    let said = story.must(&["approval", "show", &id]).await?;
    let part = |name: &str| said.field(name).unwrap_or_default().to_owned();
    let (by, operation, digest) = (part("asked by"), part("operation"), part("digest"));
    let ok = by.starts_with(AGENT)
        && part("task") == TASK
        && operation == format!("POST https://{HOST}:443/v1/orders")
        && part("body begins") == ORDER
        && digest.starts_with("sha256:");
    let observed = format!("{by}: {operation} with `{}`, {digest}", part("body begins"));
    story.approval = Some((id, digest));
    Ok(Seen { command: said.command, observed, ok })
}

pub(super) async fn given(story: &mut Story) -> anyhow::Result<Seen> {
    let (id, digest) = story.approval.clone().context("not tried: nothing was held")?;
    let words = ["approval", "give", &id, "--digest", &digest, "--passphrase-file", "passphrase"];
    let said = story.must(&words).await?;
    let observed = said.out.trim().to_owned();
    Ok(Seen { ok: observed.contains("given"), observed, command: said.command })
}

pub(super) async fn changed(story: &mut Story) -> anyhow::Result<Seen> {
    let (id, _) = story.approval.clone().context("not tried: nothing was held")?;
    let answer = order(story, CHANGED).await?;
    let ok = is_held(&answer, |other| other != id);
    Ok(answer.refusal(ok))
}

pub(super) async fn passed(story: &mut Story) -> anyhow::Result<Seen> {
    story.approval.as_ref().context("not tried: nothing was held")?;
    let seen = order(story, ORDER).await?.passed(story, "201")?;
    let body = marque_crypto::hash::sha256(ORDER.as_bytes());
    let notes = story.notes()?;
    let arrived = notes.last().is_some_and(|line| line.path == "/v1/orders" && line.body == body);
    let observed =
        format!("{}; the body is {}", seen.observed, if arrived { "the same" } else { "another" });
    Ok(Seen { observed, ok: seen.ok && arrived, ..seen })
}

pub(super) async fn once(story: &mut Story) -> anyhow::Result<Seen> {
    let (id, _) = story.approval.clone().context("not tried: nothing was held")?;
    let answer = order(story, ORDER).await?;
    let ok = is_held(&answer, |other| other != id);
    Ok(answer.refusal(ok))
}
