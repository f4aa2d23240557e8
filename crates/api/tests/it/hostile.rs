//! Bodies that are made to break their reader, and requests that name what is another's.

use marque_api::{Who, listing};
use marque_plane::spec::KillTarget;
use marque_testkit::{asking, child};

use super::served::{Served, factor, proof};

/// Every route that reads JSON.
const READERS: [&str; 16] = [
    "/v1/unlock",
    "/v1/agents",
    "/v1/agents/bot/limit",
    "/v1/clients",
    "/v1/issuers",
    "/v1/connections",
    "/v1/connections/api/limit",
    "/v1/connections/api/rotate",
    "/v1/grants",
    "/v1/runs",
    "/v1/kill",
    "/v1/tasks/close",
    "/v1/keys/token/rotate",
    "/v1/keys/token/retire",
    "/v1/tokens/revoke",
    "/v1/run/children",
];

/// Bodies that fit, each with what an unbounded reader would do with it.
fn hostile() -> Vec<(&'static str, String)> {
    let keys: Vec<String> = (0..18_000).map(|key| format!("\"k{key}\":{key}")).collect();
    let same = "\"name\":1,".repeat(25_000);
    vec![
        ("overflow its stack by lists", "[".repeat(100_000)),
        ("the same in a member", format!("{{\"name\":{}", "[".repeat(100_000))),
        ("overflow it by objects", "{\"a\":".repeat(50_000)),
        ("keep every member", format!("{{{}}}", keys.join(","))),
        ("keep one of many", format!("{{{same}\"name\":1}}")),
        ("make a number of 200,000 digits", format!("{{\"ttl_secs\":{}}}", "9".repeat(200_000))),
        ("make an infinity", "{\"ttl_secs\":1e400,\"limits\":{\"calls\":1e400}}".to_owned()),
        ("multiply for ever", format!("{{\"ttl_secs\":1e{}}}", "9".repeat(100_000))),
    ]
}

// threat 159: bounded by what is counted, bytes and depth, not by a clock.
#[tokio::test]
async fn a_body_made_to_break_its_reader_is_told_so_in_few_words_and_changes_nothing() {
    let (served, alice) = Served::new().await;
    let run = served.opens(&alice, std::process::id()).await;
    let before = served.plane.log().size();
    for path in READERS {
        let for_runs = path.starts_with("/v1/run/");
        let shown = if for_runs { proof(&run) } else { factor() };
        for (aim, body) in hostile() {
            let answer = served.asks(("POST", path), &shown, &body).await;
            assert_eq!(answer.status, 400, "{path}, to {aim}: {}", answer.body);
            assert!(answer.body.len() < 2_048, "{path}, to {aim}: {} bytes", answer.body.len());
        }
    }
    // A million members do not fit, and what does not fit is not read.
    let keys: Vec<String> = (0..25_000).map(|key| format!("\"k{key}\":1")).collect();
    let answer =
        served.asks(("POST", "/v1/agents"), &factor(), &format!("{{{}}}", keys.join(","))).await;
    assert_eq!(answer.status, 413, "{}", answer.body);
    assert_eq!(served.plane.log().size(), before);
    assert_eq!(served.asks(("GET", "/healthz"), "", "").await.status, 200, "it is still there");
    served.ends().await;
}

#[tokio::test]
async fn every_route_that_reads_json_is_among_those() {
    // Yes to an approval is read once there is one.
    let apart = "/v1/approvals/{approval}/give";
    let (served, alice) = Served::new().await;
    let run = served.opens(&alice, std::process::id()).await;
    for line in listing().into_iter().filter(|line| line.method == "POST" && line.path != apart) {
        let path = line.path.replace("{agent}", "bot").replace("{connection}", "api");
        let shown = if line.who == Who::Run { proof(&run) } else { factor() };
        let is_rehearsed = !["/v1/unlock", "/v1/run/children"].contains(&line.path);
        let rehearsal = if is_rehearsed { "marque-dry-run: true\r\n" } else { "" };
        let answer = served.asks(("POST", &path), &format!("{shown}{rehearsal}"), "{").await;
        let reads = ["EOF while parsing", "does not parse at line"];
        let reads = reads.iter().any(|words| answer.body.contains(words));
        assert_eq!(reads, READERS.contains(&path.as_str()), "{path}: {}", answer.body);
    }
    served.ends().await;
}

// threat 168
#[tokio::test]
async fn no_route_takes_a_member_that_it_does_not_know() {
    let (served, alice) = Served::new().await;
    let run = served.opens(&alice, std::process::id()).await;
    let before = served.plane.log().size();
    for path in READERS {
        let shown = if path.starts_with("/v1/run/") { proof(&run) } else { factor() };
        let known = if path == "/v1/kill" { r#""kill":"all","# } else { "" };
        let body = format!(r#"{{{known}"is_admin":true}}"#);
        let answer = served.asks(("POST", path), &shown, &body).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
        assert!(answer.body.contains("is_admin"), "{path}: {}", answer.body);
    }
    assert_eq!(served.plane.log().size(), before);
    served.ends().await;
}

// threat 167: there is one human, so whoever could reach for another's is a run.
#[tokio::test]
async fn a_run_that_names_what_is_another_s_gets_at_nothing_of_it() {
    let (served, alice) = Served::new().await;
    let grant = alice.grants_lines("bot", asking(&["api:POST /v1/orders"])).await;
    let (mine, other) =
        (served.opens(&alice, std::process::id()).await, alice.starts_a_run("bot").await);
    let approval =
        other.calls("POST", "/v1/orders").await.is_held("refused.mandate.needs_approval");
    let decision = served.plane.log().last_decision().id;
    let acting = alice.acting().await;
    let digest = served.plane.plane().approval(&acting, &approval.to_string()).await.unwrap();
    let yes = format!(r#"{{"digest":"{}"}}"#, digest.approval.digest);
    let kill = serde_json::to_string(&KillTarget::Run(other.id().to_string())).unwrap();
    let before = served.plane.log().size();
    for (method, path, body) in [
        ("GET", format!("/v1/runs/{}", other.id()), ""),
        ("GET", format!("/v1/approvals/{approval}"), ""),
        ("POST", format!("/v1/approvals/{approval}/give"), yes.as_str()),
        ("POST", format!("/v1/approvals/{approval}/decline"), ""),
        ("GET", format!("/v1/decisions/{decision}"), ""),
        ("POST", format!("/v1/grants/{}/revoke", grant.id), ""),
        ("GET", "/v1/agents/bot".to_owned(), ""),
        ("POST", "/v1/agents/bot/suspend".to_owned(), ""),
        ("GET", "/v1/connections/api".to_owned(), ""),
        ("DELETE", "/v1/connections/api".to_owned(), ""),
        ("POST", "/v1/kill".to_owned(), kill.as_str()),
    ] {
        let answer = served.asks((method, &path), &proof(&mine), body).await;
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.body);
        assert!(answer.body.contains("refused.caller.run"), "{method} {path}: {}", answer.body);
    }
    assert_eq!(served.plane.log().size(), before, "nothing came of it");
    let shown = served.plane.plane().approval(&acting, &approval.to_string()).await.unwrap();
    assert_eq!(shown.state, "asked");
    other.calls("GET", "/v1/items").await.is_allowed();
    served.ends().await;
}

// threat 167
#[tokio::test]
async fn a_run_speaks_for_itself_whatever_id_it_writes() {
    let (served, alice) = Served::new().await;
    let mine = served.opens(&alice, std::process::id()).await;
    let other = alice.starts_a_run("bot").await;
    let forged = format!("authorization: Marque-Run {}:{}\r\n", other.id(), mine.secret);
    let json = serde_json::to_string(&child()).unwrap();
    for (method, path, body) in [
        ("GET", "/v1/run/hold", ""),
        ("POST", "/v1/run/children", json.as_str()),
        ("POST", "/v1/run/git/sign", "tree x"),
        ("POST", "/v1/run/end", ""),
    ] {
        let answer = served.asks((method, path), &forged, body).await;
        assert!([401, 403].contains(&answer.status), "{method} {path}: {}", answer.body);
    }
    let told = served.asks(("GET", "/v1/run/whoami"), &forged, "").await;
    assert!(!told.body.contains(&other.id().to_string()), "{}", told.body);
    let mut spec = serde_json::to_value(child()).unwrap();
    spec["parent"] = other.id().to_string().into();
    let named = served.asks(("POST", "/v1/run/children"), &proof(&mine), &spec.to_string()).await;
    assert_eq!(named.status, 400, "{}", named.body);
    let query = format!("/v1/run/whoami?run={}", other.id());
    let asked = served.asks(("GET", &query), &proof(&mine), "").await;
    assert!(!asked.body.contains(&other.id().to_string()), "{}", asked.body);
    other.calls("GET", "/v1/items").await.is_allowed();
    served.ends().await;
}
