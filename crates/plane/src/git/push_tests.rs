use std::sync::Arc;

use marque_domain::git::PushLook;
use marque_domain::{GitFinding, Timestamp};

use super::{FINDINGS_MAX, PushLooker};
use crate::git::keys::GitKeys;

/// When the run was opened.
const OPENED: u64 = 1_795_000_000;
const AGENT: &str = "triage <triage@agents.marque.example>";
const ALICE: &str = "Alice <alice@example.com>";
const USER: &str = "alice <alice@users.marque.example>";

fn looker(keys: &Arc<GitKeys>) -> PushLooker {
    PushLooker {
        keys: Arc::clone(keys),
        opened_at: Timestamp::from_millis(OPENED * 1_000),
        agents: "agents.marque.example".to_owned(),
        users: "users.marque.example".to_owned(),
        look: PushLook::default(),
    }
}

fn commit(author: &str, committer: &str, at: u64, message: &str) -> String {
    let tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
    format!("tree {tree}\nauthor {author} 1 +0000\ncommitter {committer} {at} +0000\n\n{message}")
}

fn signed(keys: &GitKeys, text: &str) -> String {
    let folded = keys.sign(text.as_bytes()).trim_end().replace('\n', "\n ");
    text.replacen("\n\n", &format!("\ngpgsig {folded}\n\n"), 1)
}

fn found(keys: &Arc<GitKeys>, text: &str) -> Option<GitFinding> {
    let mut looker = looker(keys);
    looker.look_at("id", text.as_bytes());
    let look = looker.finish(None, 0);
    assert_eq!(look.objects, 1, "{text}");
    look.findings.first().map(|found| found.finding)
}

// threat 122
#[test]
fn what_claims_to_be_an_agent_s_of_this_plane_is_flagged_unless_the_plane_signed_it() {
    let (keys, others) = (Arc::new(GitKeys::fresh()), GitKeys::fresh());
    let trailers = "t\n\nAgent-Run: run_x\n";
    let own = commit(AGENT, AGENT, OPENED, trailers);
    assert_eq!(found(&keys, &signed(&keys, &own)), None);
    let changed = signed(&keys, &own).replace("run_x", "run_y");
    for (text, expected) in [
        (own.clone(), GitFinding::Signature),
        (signed(&others, &own), GitFinding::Signature),
        (changed, GitFinding::Signature),
        (own.replace("agents.marque", "AGENTS.Marque"), GitFinding::Signature),
        (commit(ALICE, AGENT, 5, "t\n"), GitFinding::Signature),
        (commit(USER, USER, OPENED, "t\n"), GitFinding::Committer),
        (commit(ALICE, ALICE, OPENED, trailers), GitFinding::AgentRun),
        (commit(ALICE, ALICE, OPENED, "t\n\nOn-behalf-of: alice\n"), GitFinding::OnBehalfOf),
        (commit(AGENT, ALICE, OPENED, "t\n"), GitFinding::Author),
        (commit(USER, ALICE, OPENED, "t\n"), GitFinding::Author),
    ] {
        assert_eq!(found(&keys, &text), Some(expected), "{text}");
    }
}

#[test]
fn what_other_people_committed_is_not_flagged() {
    let keys = Arc::new(GitKeys::fresh());
    let long_ago = OPENED - 3_600;
    for text in [
        commit(ALICE, ALICE, OPENED, "t\n"),
        // A squash of what an agent did, from before the run.
        commit(AGENT, ALICE, long_ago, "t\n\nAgent-Run: run_x\n"),
        commit("x <x@agents.marque.example.com>", "x <marque.example>", OPENED, "t\n"),
    ] {
        assert_eq!(found(&keys, &text), None, "{text}");
    }
}

#[test]
fn findings_are_bounded_and_what_cannot_be_read_is_said() {
    let keys = Arc::new(GitKeys::fresh());
    let mut looker = looker(&keys);
    let forged = commit(AGENT, AGENT, OPENED, "t\n");
    for number in 0..FINDINGS_MAX + 3 {
        looker.look_at(&number.to_string(), forged.as_bytes());
    }
    looker.look_at("odd", b"tree x\0\n\n");
    let look = looker.finish(None, 2);
    assert_eq!((look.findings.len(), look.more, look.unknown), (FINDINGS_MAX, 3, 2));
    assert!(look.not_looked_into.is_some());
}
