//! Protocols that are refused in their own words.

use std::process::Output;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;

use super::super::world::{PATIENCE, World};
use super::Captured;

/// What a program printed; nothing where this machine does not have it.
async fn prints(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).envs(environment.iter().copied()).kill_on_drop(true);
    match timeout(3 * PATIENCE, command.output()).await.unwrap() {
        Ok(Output { stdout, stderr, status }) => {
            assert!(!status.success());
            Some(String::from_utf8([stdout, stderr].concat()).unwrap())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

// threat 100
#[tokio::test]
async fn a_client_of_ssh_reads_why_and_it_is_recorded() {
    let world = World::new().await;
    let run = Captured::new(&world).await;
    for port in [22, 8080] {
        let mut stream = run.reaches("git.test", port).await;
        stream.write_all(b"SSH-2.0-OpenSSH_10.0\r\n").await.unwrap();
        let mut said = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap().unwrap();
        assert!(said.starts_with(b"SSH-2.0-marque\r\n"), "{said:?}");
        let packet = String::from_utf8_lossy(&said);
        assert!(packet.contains("ssh is not served in a captured run"), "{packet}");
        assert!(packet.contains("(refused.mandate.nothing_allows, dec_"), "{packet}");
    }
    let mut targets = world.refused_targets(&run.agent).await;
    targets.sort();
    assert_eq!(targets, ["ssh://git.test:22", "ssh://git.test:8080"]);
}

#[tokio::test]
async fn openssh_and_git_print_why() {
    let world = World::new().await;
    let run = Captured::new(&world).await;
    let address = run.resolves("git.test").await.to_string().replacen("198", "127", 1);
    let port = run.doors[&22].to_string();
    let options = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-F", "none"];
    let there = format!("git@{address}");
    let arguments = [&options[..], &["-p", &port, &there]].concat();
    let Some(said) = prints("ssh", &arguments, &[]).await else { return };
    let why = "ssh is not served in a captured run; git remotes go over https";
    assert!(said.contains(why), "{said}");
    let url = format!("ssh://git@{address}:{port}/acme/api");
    let command = format!("ssh {}", options.join(" "));
    let environment = [("GIT_SSH_COMMAND", command.as_str())];
    if let Some(said) = prints("git", &["ls-remote", &url], &environment).await {
        assert!(said.contains(why), "{said}");
    }
}

// threat 100
#[tokio::test]
async fn a_client_of_postgresql_reads_why_and_it_is_recorded() {
    let world = World::new().await;
    let run = Captured::new(&world).await;
    let mut stream = run.reaches("db.test", 5432).await;
    for request in [b"\0\0\0\x08\x04\xd2\x16\x30", b"\0\0\0\x08\x04\xd2\x16\x2f"] {
        stream.write_all(request).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'N');
    }
    stream.write_all(b"\0\0\0\x13\0\x03\0\0user\0alice\0\0").await.unwrap();
    let mut said = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&said);
    assert!(said.starts_with('E') && said.contains("C28000\0"), "{said}");
    assert!(said.contains("does not serve PostgreSQL to captured runs"), "{said}");
    assert_eq!(world.refused_targets(&run.agent).await, ["postgresql://db.test:5432"]);

    let mut stream = run.reaches("db.test", 5432).await;
    stream.write_all(b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02").await.unwrap();
    let mut said = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap().unwrap();
    assert_eq!(said, b"");
}

#[tokio::test]
async fn psql_prints_why() {
    let world = World::new().await;
    let run = Captured::new(&world).await;
    let address = run.resolves("db.test").await.to_string().replacen("198", "127", 1);
    let port = run.doors[&5432].to_string();
    let command =
        ["--no-psqlrc", "-h", &address, "-p", &port, "-U", "alice", "app", "-c", "select 1"];
    let Some(said) = prints("psql", &command, &[]).await else { return };
    let why = "FATAL:  this version of marque does not serve PostgreSQL to captured runs";
    assert!(said.contains(why) && said.contains("HINT:"), "{said}");
}

#[tokio::test]
async fn what_nobody_can_read_is_answered_as_http() {
    let world = World::new().await;
    let run = Captured::new(&world).await;
    for (port, bytes) in [(5432, "\0\0\0\0\0\0\0\0\r\n"), (8080, "*1\r\n$4\r\nPING\r\n")] {
        let answer = run.says("cache.test", port, bytes).await;
        super::is(&answer, 400, "malformed.head");
    }
}
