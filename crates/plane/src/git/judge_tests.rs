use marque_domain::{GitAuthor, GitFinding, GitIdentity, Id, Timestamp};
use marque_wire::git::object::Object;

use super::{Maker, judge};

const AGENT: &str = "triage <triage@agents.marque.example> 1795000000 +0000";
const ALICE: &str = "alice <alice@users.marque.example> 1795000000 +0000";
const EVE: &str = "Eve <eve@example.com> 1795000000 +0000";

fn maker(person: Option<&str>, author: GitAuthor) -> Maker {
    let (agent, alice) = ("triage".parse().unwrap(), "alice".parse().unwrap());
    Maker {
        run: Id::new(Timestamp::from_millis(1_795_000_000_000), [7; 10]),
        agent: GitIdentity::of_agent(&agent, "marque.example"),
        human: GitIdentity::of_person(&alice, "marque.example"),
        person: person.map(|person| person.parse().unwrap()),
        author,
    }
}

fn commit(author: &str, committer: &str, message: &str) -> String {
    let tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
    format!("tree {tree}\nauthor {author}\ncommitter {committer}\n\n{message}")
}

fn found(text: &str, maker: &Maker) -> Option<GitFinding> {
    judge(&Object::parse(text.as_bytes()).unwrap(), maker).err().map(|wrong| wrong.finding)
}

// threat 122
#[test]
fn a_commit_is_signed_only_if_it_says_who_made_it() {
    let maker = maker(Some("alice"), GitAuthor::Agent);
    let run = maker.run;
    let good = format!("t\n\nAgent-Run: {run}\nOn-behalf-of: alice\n");
    assert_eq!(found(&commit(AGENT, AGENT, &good), &maker), None);
    let near = AGENT.replace("agents.", "");
    for (text, expected) in [
        (commit(AGENT, ALICE, &good), GitFinding::Committer),
        (commit(AGENT, &near, &good), GitFinding::Committer),
        (commit(ALICE, AGENT, &good), GitFinding::Author),
        (commit(EVE, AGENT, &good), GitFinding::Author),
        (commit(AGENT, AGENT, "t\n"), GitFinding::AgentRun),
        (commit(AGENT, AGENT, "t\n\nOn-behalf-of: alice\n"), GitFinding::AgentRun),
        (commit(AGENT, AGENT, &good.replace(&run.to_string(), "run_x")), GitFinding::AgentRun),
        (commit(AGENT, AGENT, &format!("{good}Agent-Run: run_x\n")), GitFinding::AgentRun),
        (commit(AGENT, AGENT, &format!("t\n\nAgent-Run: {run}\n")), GitFinding::OnBehalfOf),
        (commit(AGENT, AGENT, &good.replace("alice", "bob")), GitFinding::OnBehalfOf),
        (commit(AGENT, AGENT, &format!("{good}on-behalf-of: eve\n")), GitFinding::OnBehalfOf),
        (commit(AGENT, AGENT, &good).replace("\n\nt", "\nencoding UTF-7\n\nt"), GitFinding::Object),
        (commit(AGENT, AGENT, &good).replace("\n\nt", "\ngpgsig x\n\nt"), GitFinding::Object),
    ] {
        assert_eq!(found(&text, &maker), Some(expected), "{text}");
    }
}

// threat 122
#[test]
fn a_run_that_acts_for_nobody_names_nobody() {
    let maker = maker(None, GitAuthor::Agent);
    let good = format!("t\n\nAgent-Run: {}\n", maker.run);
    assert_eq!(found(&commit(AGENT, AGENT, &good), &maker), None);
    let claims = format!("{good}On-behalf-of: alice\n");
    assert_eq!(found(&commit(AGENT, AGENT, &claims), &maker), Some(GitFinding::OnBehalfOf));
}

#[test]
fn whom_a_commit_may_name_as_its_author_is_the_policy_s() {
    let message = |maker: &Maker| format!("t\n\nAgent-Run: {}\n", maker.run);
    for (policy, agent, alice, eve) in [
        (GitAuthor::Agent, true, false, false),
        (GitAuthor::Person, true, true, false),
        (GitAuthor::Any, true, true, true),
    ] {
        let maker = maker(None, policy);
        for (author, expected) in [(AGENT, agent), (ALICE, alice), (EVE, eve)] {
            let text = commit(author, AGENT, &message(&maker));
            assert_eq!(found(&text, &maker).is_none(), expected, "{policy:?} {author}");
        }
    }
}

#[test]
fn a_tag_may_leave_the_trailers_out_and_not_contradict_them() {
    let maker = maker(Some("alice"), GitAuthor::Agent);
    let tag = |message: &str| {
        let object = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        format!("object {object}\ntype commit\ntag v1\ntagger {AGENT}\n\n{message}")
    };
    assert_eq!(found(&tag("v1\n"), &maker), None);
    assert_eq!(found(&tag("v1\n\nAgent-Run: run_x\n"), &maker), Some(GitFinding::AgentRun));
    assert_eq!(found(&tag("v1\n\nOn-behalf-of: bob\n"), &maker), Some(GitFinding::OnBehalfOf));
    let forged = tag("v1\n").replace(AGENT, ALICE);
    assert_eq!(found(&forged, &maker), Some(GitFinding::Committer));
}
