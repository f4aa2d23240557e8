//! Git identity: what a run commits is its agent's, and anybody with the published key can tell.

use std::fs;

use super::{GitWorld, WEB, commit, ok};
use crate::support::{BINARY, Run};

const LINES: [(&str, &str); 2] =
    [("allow", "code:repo.read acme/web"), ("allow", "code:git.push acme/web refs/heads/**")];

/// What a reader elsewhere, with nothing but git and the published file, sees of a branch.
#[track_caller]
fn seen_elsewhere(world: &GitWorld, branch: &str) -> String {
    let signers = world.cli(&["key", "allowed-signers"]);
    let file = world.write("signers", signers.ok());
    let file = format!("gpg.ssh.allowedSignersFile={}", file.display());
    let folder = world.repository("acme/web");
    let log = ["-C", folder.to_str().unwrap(), "-c", &file, "log", "--show-signature", branch];
    let told = world.tool("git", &log);
    format!("{}{}", told.out, told.err)
}

#[test]
fn a_commit_of_a_run_is_good_elsewhere_and_one_in_its_name_is_not() {
    let world = GitWorld::new(&["acme/web"]);
    let mut run = world.agent("triage", &LINES);
    ok(&mut run, &format!("git clone -q {WEB}"));
    commit(&mut run, "web", "a change");
    let shown = ok(&mut run, "git -C web log -1 --show-signature");
    assert!(shown.contains("Good \"git\" signature"), "{shown}");
    ok(&mut run, "git -C web push -q origin HEAD:refs/heads/agent");
    let seen = seen_elsewhere(&world, "agent");
    let by = "Good \"git\" signature for *@agents.";
    assert_eq!(seen.matches(by).count(), 1, "{seen}");
    assert!(seen.contains("Author: triage <triage@agents."), "{seen}");
    assert!(seen.contains(&format!("    Agent-Run: {}\n", run.id)), "{seen}");
    let log = world.cli(&["log", "query", "--event", "git_signed", "--run", &run.id]);
    let signed = log.ok();
    assert_eq!(signed.lines().count(), 1, "{signed}");
    assert!(signed.contains("a commit of triage was signed by SHA256:"), "{signed}");

    // Somebody outside of any run, who writes the same name and the same trailer.
    let mail = ok(&mut run, "git -C web log -1 --format=%ae");
    let folder = world.path("forger");
    fs::create_dir(&folder).unwrap();
    let at = ["-C", folder.to_str().unwrap()];
    let remote = world.repository("acme/web");
    world.tool("git", &[&at[..], &["clone", "-q", remote.to_str().unwrap(), "."]].concat()).ok();
    let name = ["-c", "user.name=triage", "-c", &format!("user.email={mail}")];
    let message = format!("forged\n\nAgent-Run: {}", run.id);
    let forged = ["commit", "-q", "--allow-empty", "-m", &message];
    world.tool("git", &[&at[..], &name, &forged].concat()).ok();
    world.tool("git", &[&at[..], &["push", "-q", "origin", "HEAD:forged"]].concat()).ok();
    let seen = seen_elsewhere(&world, "forged");
    assert!(seen.contains("Author: triage <triage@agents.") && seen.contains("forged"), "{seen}");
    assert!(!seen.contains("Good"), "{seen}");
}

// threat 122
#[test]
fn a_run_that_names_somebody_else_gets_no_commit_and_its_refusal_is_in_the_log() {
    let world = GitWorld::new(&["acme/web"]);
    let mut run = world.agent("triage", &LINES);
    ok(&mut run, &format!("git clone -q {WEB}"));
    for (how, code) in [
        ("git commit -q --allow-empty -m x --author 'alice <alice@example.com>'", "git.author"),
        ("GIT_COMMITTER_EMAIL=a@b git commit -q --allow-empty -m x", "git.committer"),
        ("git -c core.hooksPath=/dev/null commit -q --allow-empty -m x", "git.agent_run"),
    ] {
        let typed = run.types(&format!("cd web && {how}; cd .."));
        assert!(typed.out.contains(&format!("{code}: it")), "{}", typed.out);
        assert!(typed.out.contains("failed to write commit object"), "{}", typed.out);
    }
    let log = world.cli(&["log", "query", "--event", "git_refused", "--run", &run.id]);
    let log = log.ok();
    for code in ["git.author", "git.committer", "git.agent_run"] {
        assert!(log.contains(&format!("triage was refused a signature, {code}: ")), "{log}");
    }
    // Nothing keeps it from a commit without a signature, which nobody takes for the agent's.
    ok(&mut run, "git -C web -c commit.gpgSign=false commit -q --allow-empty -m unsigned");
    assert_eq!(ok(&mut run, "git -C web log -1 --format=%G?"), "N");
}

// threat 122
#[test]
fn a_push_of_forged_commits_goes_on_and_is_flagged_against_the_run() {
    let world = GitWorld::new(&["acme/web"]);
    let mut run = world.agent("triage", &LINES);
    ok(&mut run, &format!("git clone -q {WEB}"));
    let outcome = |run: &Run| {
        let query = ["log", "query", "--event", "outcome", "--run", &run.id];
        world.cli(&query).ok().lines().last().unwrap().to_owned()
    };
    // The history that is there, a merge of it, and what the run itself made.
    commit(&mut run, "web", "a change");
    let theirs = "git -c user.name=alice -c user.email=alice@example.com -c commit.gpgSign=false";
    let as_alice = "GIT_COMMITTER_NAME=alice GIT_COMMITTER_EMAIL=alice@example.com \
        GIT_AUTHOR_NAME=alice GIT_AUTHOR_EMAIL=alice@example.com";
    ok(&mut run, "git -C web push -q origin HEAD:refs/heads/one");
    let log = outcome(&run);
    assert!(log.contains("was answered 200") && !log.contains("flagged"), "{log}");

    let unsigned = "git -C web -c commit.gpgSign=false commit -q --allow-empty -m unsigned";
    ok(&mut run, unsigned);
    let forged = format!("cd web && env {as_alice} {theirs} commit -q --allow-empty -m forged");
    ok(&mut run, &format!("({forged})"));
    ok(&mut run, "git -C web push -q origin HEAD:refs/heads/two");
    assert!(world.refs("acme/web").contains("refs/heads/two"), "nothing is held back");
    let log = outcome(&run);
    assert!(log.contains("; flagged 2 times: git.agent_run, git.signature"), "{log}");
    let shown = world.json(&["run", "show", &run.id]);
    assert_eq!(shown["refusals"], 1, "{shown}");
    let entries = world.json(&["log", "query", "--event", "outcome", "--run", &run.id]);
    let last = entries.as_array().unwrap().last().unwrap();
    let tip = ok(&mut run, "git -C web rev-parse HEAD");
    let found = &last["event"]["git"]["findings"];
    assert!(found.as_array().unwrap().iter().any(|one| one["object"] == *tip), "{last}");
}

#[test]
fn a_killed_run_signs_nothing_and_one_that_wants_no_identity_has_none() {
    let world = GitWorld::new(&["acme/web"]);
    let mut run = world.agent("triage", &LINES);
    ok(&mut run, &format!("git clone -q {WEB}"));
    let mut plain = Run::open(&world, &["--agent", "triage", "--no-git-identity"]);
    ok(&mut plain, &format!("git clone -q {WEB} plain"));
    commit(&mut plain, "plain", "as before");
    assert_eq!(ok(&mut plain, "git -C plain log -1 --format='%an %G?'"), "bot N");
    // What the run's stub asks is refused, whoever keeps its proof past the end.
    let proof = ok(
        &mut run,
        "echo \"MARQUE_RUN=$MARQUE_RUN MARQUE_SOCKET=$MARQUE_SOCKET \
        MARQUE_RUN_SECRET=$MARQUE_RUN_SECRET\"",
    );
    ok(&mut run, "git -C web cat-file commit HEAD > object");
    world.cli(&["kill", &run.id]).ok();
    let sign = format!("env {proof} {BINARY} git-sign -- -Y sign -n git -f k object");
    let typed = plain.types(&sign);
    assert_ne!(typed.code, 0);
    assert!(typed.out.contains("was killed"), "{}", typed.out);
}

#[test]
fn a_person_is_the_author_where_the_configuration_says_so() {
    let mut world = GitWorld::new(&["acme/web"]);
    world.marque.stop();
    world.write("data/config.toml", "[git]\nauthor = \"person\"\n");
    world.marque.serve();
    let mut run = world.agent("triage", &LINES);
    ok(&mut run, &format!("git clone -q {WEB}"));
    commit(&mut run, "web", "a change");
    let shown = ok(&mut run, "git -C web log -1 --format='%an %cn %G?'");
    assert_eq!(shown, "alice triage G");
}

#[test]
fn an_address_of_ssh_is_served_over_https() {
    let world = GitWorld::new(&["acme/web"]);
    let mut run = world.agent("triage", &LINES);
    ok(&mut run, "git clone -q git@git.demo.test:acme/web.git");
    commit(&mut run, "web", "a change");
    ok(&mut run, "git -C web push -q ssh://git@git.demo.test/acme/web HEAD:refs/heads/agent");
    assert!(world.refs("acme/web").contains("refs/heads/agent"));
}
