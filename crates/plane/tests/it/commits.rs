//! Git identity: a run commits as its agent, and the plane's signature says so, once on record.

use marque_crypto::git_key::GitPublicKey;
use marque_crypto::hash::sha256;
use marque_domain::{Closing, Event, GitAuthor};
use marque_plane::spec::RunSpec;
use marque_plane::{AdminError, AdminKind, GitSettings, Settings};
use marque_store::{Faults, OpenOptions};
use marque_testkit::{FilePlane, PostgresServer, RunActor, Setup, TestPlane, run_of};
use marque_wire::sshsig::{SshSignature, fingerprint, read_public_line};

fn commit_by(run: &RunActor, committer: &str, trailers: &str) -> String {
    let author = run.opened().git.as_ref().unwrap().author.to_string();
    let tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
    format!(
        "tree {tree}\nauthor {author} 1795000000 +0000\ncommitter {committer} 1795000000 \
         +0000\n\na title\n\n{trailers}"
    )
}

fn commit(run: &RunActor) -> String {
    let committer = run.opened().git.as_ref().unwrap().committer.to_string();
    commit_by(run, &committer, &format!("Agent-Run: {}\n", run.id()))
}

async fn signs(plane: &TestPlane, run: &RunActor, text: &str) -> Result<String, AdminError> {
    let signed = plane.plane().sign_git(&run.acting(), text.as_bytes().to_vec()).await;
    signed.map(|view| view.signature)
}

fn key(line: &str) -> GitPublicKey {
    GitPublicKey::from_bytes(&read_public_line(line).unwrap()).unwrap()
}

fn verifies(signature: &str, line: &str, text: &str) -> bool {
    let read = SshSignature::parse(signature).unwrap();
    read.verify_for_git(&key(line), text.as_bytes()).is_ok()
}

fn last(plane: &TestPlane) -> Event {
    plane.log().entries().last().unwrap().event.clone()
}

#[tokio::test]
async fn a_commit_of_a_run_is_signed_and_on_record() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let git = run.opened().git.clone().unwrap();
    assert_eq!(git.author, git.committer, "an agent writes as itself");
    let text = commit(&run);
    let signature = signs(&plane, &run, &text).await.unwrap();
    assert!(verifies(&signature, &git.key, &text));
    assert!(git.allowed_signers.contains(&git.key), "{}", git.allowed_signers);
    let Event::GitSigned(signed) = last(&plane) else { panic!("{:?}", last(&plane)) };
    assert_eq!((signed.run, signed.agent.as_str()), (run.id(), "bot"));
    assert_eq!((signed.payload, signed.object.as_str()), (sha256(text.as_bytes()), "commit"));
    assert_eq!(signed.key, fingerprint(key(&git.key).as_bytes()));
    assert!(plane.log().verified(&plane.log_key(), &plane.checkpoint().await.note).holds());
}

// threat 122
#[tokio::test]
async fn a_commit_that_names_somebody_else_is_refused_recorded_and_counted() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let (run, other) = (alice.starts_a_run("bot").await, alice.starts_a_run("bot").await);
    let me = run.opened().git.clone().unwrap().committer.to_string();
    let own = format!("Agent-Run: {}\n", run.id());
    for (text, code) in [
        (commit_by(&run, "alice <alice@example.com>", &own), "git.committer"),
        (commit_by(&run, &me, &format!("Agent-Run: {}\n", other.id())), "git.agent_run"),
        (commit_by(&run, &me, ""), "git.agent_run"),
        (commit_by(&run, &me, &format!("{own}On-behalf-of: alice\n")), "git.on_behalf_of"),
        (commit(&run).replace("tree ", "certificate version 0.1\n"), "git.object"),
    ] {
        let refused = signs(&plane, &run, &text).await.unwrap_err();
        assert_eq!(refused.kind, AdminKind::Forbidden);
        assert!(refused.message.starts_with(code), "{refused}");
        let Event::GitRefused(recorded) = last(&plane) else { panic!("{:?}", last(&plane)) };
        assert_eq!((recorded.code.as_str(), recorded.run), (code, run.id()));
        assert_eq!(recorded.payload, sha256(text.as_bytes()));
    }
    let acting = alice.acting().await;
    let shown = plane.plane().run(&acting, &run.id().to_string()).await.unwrap();
    assert_eq!(shown.refusals, 5, "they count against the run's trust");
    assert!(signs(&plane, &run, &commit(&run)).await.is_ok());
}

// threat 178
#[tokio::test]
async fn a_run_that_is_over_signs_nothing() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let (killed, ended) = (alice.starts_a_run("bot").await, alice.starts_a_run("bot").await);
    let text = commit(&killed);
    assert!(signs(&plane, &killed, &text).await.is_ok());
    alice.kills(&killed).await;
    let refused = signs(&plane, &killed, &text).await.unwrap_err();
    assert!(refused.message.contains("was killed"), "{refused}");
    let Event::GitRefused(recorded) = last(&plane) else { panic!("{:?}", last(&plane)) };
    assert_eq!(recorded.code, "refused.run.killed");
    let acting = ended.acting();
    ended.ends().await;
    let text = commit(&ended).into_bytes();
    let refused = plane.plane().sign_git(&acting, text).await.unwrap_err();
    assert!(refused.message.contains(&Closing::Done.to_string()), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_recorded_is_not_signed() {
    let home = FilePlane::new();
    let faults = Faults { fail_sync: Some(12), ..Faults::default() };
    let store = OpenOptions { faults, ..OpenOptions::default() };
    let plane = home.start(Setup { store, ..Setup::default() }).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let mut signed = Vec::new();
    for _ in 0..20 {
        signed.push(signs(&plane, &run, &commit(&run)).await.is_ok());
    }
    let first = signed.iter().position(|is_signed| !is_signed).expect("the twelfth sync fails");
    assert!(first > 0 && signed[first..].iter().all(|is_signed| !is_signed), "{signed:?}");
    let recorded = |entry: &&marque_domain::LogEntry| matches!(entry.event, Event::GitSigned(_));
    assert!(plane.log().entries().iter().filter(recorded).count() >= first);
}

#[tokio::test]
async fn a_person_is_named_where_a_run_acts_for_one() {
    let git = GitSettings { author: GitAuthor::Person, ..GitSettings::default() };
    let settings = Settings { git, ..Settings::default() };
    let plane = TestPlane::with(Setup { settings, ..Setup::default() }).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let on_behalf_of = Some("alice".parse().unwrap());
    let run = alice.starts(RunSpec { on_behalf_of, ..run_of("bot") }).await.unwrap();
    let git = run.opened().git.clone().unwrap();
    assert!(git.author.to_string().starts_with("alice <alice@users."), "{}", git.author);
    assert!(git.committer.to_string().starts_with("bot <bot@agents."), "{}", git.committer);
    assert!(signs(&plane, &run, &commit(&run)).await.is_err(), "it does not say for whom");
    let text = format!("{}On-behalf-of: alice\n", commit(&run));
    assert!(signs(&plane, &run, &text).await.is_ok());
    let Event::GitSigned(signed) = last(&plane) else { panic!("{:?}", last(&plane)) };
    assert_eq!(signed.on_behalf_of.unwrap().as_str(), "alice");
}

#[tokio::test]
async fn a_plane_without_git_identities_gives_none_and_signs_nothing() {
    let git = GitSettings { identity: false, ..GitSettings::default() };
    let settings = Settings { git, ..Settings::default() };
    let plane = TestPlane::with(Setup { settings, ..Setup::default() }).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    assert_eq!(run.opened().git, None);
    let asked = plane.plane().sign_git(&run.acting(), b"tree x".to_vec()).await;
    assert_eq!(asked.unwrap_err().kind, AdminKind::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plane_keeps_its_key_when_it_starts_again() {
    let home = FilePlane::new();
    let plane = home.start(Setup::default()).await;
    let before = plane.plane().allowed_signers();
    plane.stop().await;
    let again = home.start(Setup { seed: 9, ..Setup::default() }).await;
    assert_eq!(again.plane().allowed_signers(), before);
}

// threat 145
#[tokio::test]
async fn a_rotated_key_signs_nothing_more_and_still_verifies_what_it_signed() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let text = commit(&run);
    let before = signs(&plane, &run, &text).await.unwrap();

    let tried = plane.plane().rotate_git_key(&alice.rehearsing().await).await.unwrap();
    assert_eq!(tried.old, run.opened().git.as_ref().unwrap().key);
    assert!(signs(&plane, &run, &text).await.is_ok_and(|again| again == before), "only tried");

    let acting = alice.acting().await;
    let rotated = plane.plane().rotate_git_key(&acting).await.unwrap();
    let after = signs(&plane, &run, &text).await.unwrap();
    assert!(verifies(&before, &rotated.old, &text) && verifies(&after, &rotated.new, &text));
    assert!(!verifies(&after, &rotated.old, &text));
    let published = plane.plane().allowed_signers().text;
    let lines: Vec<_> = published.lines().collect();
    assert!(lines[0].ends_with(&rotated.old) && lines[0].contains("valid-before="), "{published}");
    assert!(lines[1].ends_with(&rotated.new) && !lines[1].contains("valid-before="), "{published}");
    let listed = plane.plane().keys(&acting).await.unwrap();
    let listed: Vec<_> = listed.iter().filter(|key| key.purpose == "git").collect();
    assert_eq!((listed[0].until, listed[1].since), (Some(rotated.index), Some(rotated.index)));
    let stored = plane.store().read("test", |tx| tx.setting("git_keys")).unwrap().unwrap();
    assert_eq!(stored.matches("\"sealed\":null").count(), 1, "the retired key is gone: {stored}");
}

// threat 150: a rotation that breaks off leaves one generation, and it is the one before.
#[tokio::test]
async fn a_rotation_that_is_not_committed_leaves_the_key_before_and_one_that_runs_twice_is_one() {
    // Two commits at the start, one for the claim, each of three verbs and the run.
    let failing = Faults { fail_commit: Some(8), ..Faults::default() };
    let repeating = Faults { repeat_commit: Some(8), ..Faults::default() };
    for (faults, fails) in [(failing, true), (repeating, false)] {
        let store = OpenOptions { faults, ..OpenOptions::default() };
        let plane = TestPlane::with(Setup { store, ..Setup::default() }).await;
        let alice = plane.alice_with_bot(&["api:GET /**"]).await;
        let run = alice.starts_a_run("bot").await;
        let (old, text) = (run.opened().git.as_ref().unwrap().key.clone(), commit(&run));
        let rotated = plane.plane().rotate_git_key(&alice.acting().await).await;
        assert_eq!(rotated.is_err(), fails, "{rotated:?}");
        let signature = signs(&plane, &run, &text).await.unwrap();
        let new = rotated.map_or(old.clone(), |rotated| rotated.new);
        assert_eq!(verifies(&signature, &old, &text), fails);
        assert!(verifies(&signature, &new, &text));
        let stored = plane.store().read("test", |tx| tx.setting("git_keys")).unwrap().unwrap();
        let generations = stored.matches("\"sealed\":").count();
        let retired = stored.matches("\"sealed\":null").count();
        assert_eq!((generations - retired, retired), (1, usize::from(!fails)), "{stored}");
    }
}

fn named(name: &str) -> Setup {
    let store = OpenOptions { replica: name.to_owned(), ..OpenOptions::default() };
    let seed = name.bytes().map(u64::from).sum();
    Setup { store, seed, ..Setup::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_share_a_store_sign_with_one_key_and_with_the_next_at_once() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = server.url();
    let one = TestPlane::in_postgres(&url, named("one")).await;
    let other = TestPlane::in_postgres(&url, named("other")).await;
    assert_eq!(one.plane().allowed_signers(), other.plane().allowed_signers());
    let alice = one.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let rotated = one.plane().rotate_git_key(&alice.acting().await).await.unwrap();
    let text = commit(&run);
    let there = run.through(&other);
    other.plane().meet(&there.presented()).await.unwrap();
    let signature = signs(&other, &there, &text).await.unwrap();
    assert!(verifies(&signature, &rotated.new, &text));
}
