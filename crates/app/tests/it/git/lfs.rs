//! Large files: a batch names other hosts and credentials for them, which the run never gets.

use super::super::support::{CREDENTIAL, Json};
use super::GitWorld;

const BATCH: &str = "/acme/web.git/info/lfs/objects/batch";
const FOREIGN: &str = "https://foreign.test/objects/one";

fn action(kind: &str) -> String {
    serde_json::json!({
        "transfer": "basic",
        "objects": [{
            "oid": "a".repeat(64),
            "size": 3,
            "authenticated": true,
            "actions": { kind: {
                "href": FOREIGN,
                "header": {
                    "Authorization": format!("Basic {CREDENTIAL}"),
                    "X-Amz-Security-Token": "canary-foreign-token",
                    "Accept": "application/octet-stream",
                },
            } },
        }],
    })
    .to_string()
}

const JSON: &str = "application/vnd.git-lfs+json";

fn batch(operation: &str) -> String {
    let oid = "a".repeat(64);
    let objects = format!("[{{\"oid\":\"{oid}\",\"size\":3}}]");
    let body = format!("{{\"operation\":\"{operation}\",\"objects\":{objects}}}");
    format!("-H 'Content-Type: {JSON}' -H 'Accept: {JSON}' -d '{body}' https://lfs.test{BATCH}")
}

// threat 119
#[test]
fn a_batch_brings_addresses_and_no_credentials_and_an_upload_needs_its_own_line() {
    let world = GitWorld::new(&[]);
    let lfs = world.upstream("lfs", &["--git", "--bearer"]);
    let foreign = world.upstream("other", &["--no-credential"]);
    let kind = "200 OK\r\nContent-Type: application/vnd.git-lfs+json";
    lfs.answers(BATCH, kind, action("download"));
    let read = ("allow", "lfs:repo.read acme/web");
    let mut run = world.agent("reader", &[read, ("allow", "other:GET /**")]);
    let (status, said) = run.curl(&batch("download"));
    assert_eq!(status, 200, "{said}");
    let answer: Json = serde_json::from_str(&said).unwrap();
    let download = &answer["objects"][0]["actions"]["download"];
    assert_eq!(download["href"], FOREIGN);
    assert_eq!(download["header"], serde_json::json!({ "Accept": "application/octet-stream" }));
    assert!(!said.contains("canary"), "{said}");
    assert!(lfs.saw_one().field("authorization").unwrap().contains(CREDENTIAL));

    let (status, said) = run.curl(FOREIGN);
    assert_eq!(status, 0, "no connection serves it, so there is no tunnel: {said}");
    let last = world.decided(&run).pop().unwrap();
    assert!(last.contains("foreign.test:443") && last.ends_with("refused"), "{last}");
    assert_eq!(run.curl("https://other.test/objects/one").0, 200);
    assert_eq!(foreign.saw_one().field("authorization"), None);

    lfs.answers(BATCH, kind, action("upload"));
    let (status, said) = run.curl(&batch("upload"));
    assert_eq!(status, 403, "{said}");
    let message: Json = serde_json::from_str(&said).unwrap();
    let message = message["message"].as_str().unwrap();
    assert!(message.contains("lfs:lfs.write acme/web"), "{message}");
    for (status, body) in [
        (400, batch("UPLOAD")),
        (400, batch("download").replace("{\"op", "{\"operation\":\"upload\",\"op")),
        (400, batch("download").replace("\"objects\"", "\"Operation\":\"upload\",\"objects\"")),
        (
            403,
            format!(
                "-T /etc/hostname https://lfs.test/acme/web.git/info/lfs/objects/{}",
                "a".repeat(64)
            ),
        ),
        (
            403,
            format!(
                "-H 'Content-Type: {JSON}' -d '{{}}' https://lfs.test/acme/web.git/info/lfs/locks"
            ),
        ),
        // What is read as JSON here must not be a form there.
        (400, batch("download").replace(JSON, "application/x-www-form-urlencoded")),
        (400, "https://lfs.test/acme/web.git/info/lfs/unknown".to_owned()),
    ] {
        let (found, said) = run.curl(&body);
        assert_eq!(found, status, "{body}: {said}");
    }
    lfs.saw_one();
    let mut run = world.agent("writer", &[read, ("allow", "lfs:lfs.write acme/web")]);
    let (status, said) = run.curl(&batch("upload"));
    assert_eq!((status, said.contains("canary")), (200, false), "{said}");
    assert!(said.contains(FOREIGN), "{said}");
}
