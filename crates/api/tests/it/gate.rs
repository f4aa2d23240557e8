//! Who reaches what.

use std::time::Duration;

use marque_api::{RouteLine, Who, listing};
use marque_plane::spec::KillTarget;
use marque_testkit::{CANARY, asking, run_of};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::served::{Served, factor, head, our_parent, proof};

/// A route with something in place of each parameter.
fn filled(line: &RouteLine) -> (&'static str, String) {
    let parts = line.path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
    (line.method, parts.collect::<Vec<_>>().join("/"))
}

fn outside_runs() -> impl Iterator<Item = RouteLine> {
    listing().into_iter().filter(|line| !matches!(line.who, Who::Run | Who::Anybody))
}

// threats 165, 166
#[tokio::test]
async fn what_presents_a_run_reaches_nothing_but_that_run() {
    let (served, alice) = Served::new().await;
    let run = alice.starts_a_run("bot").await;
    let secret = &run.opened().secret;
    let proof = format!("authorization: Marque-Run {}:{secret}\r\n", run.id());
    for line in outside_runs() {
        let (method, path) = filled(&line);
        let answer = served.asks((method, &path), &proof, "{}").await;
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.body);
        assert!(answer.body.contains("refused.caller.run"), "{method} {path}: {}", answer.body);
    }
    let own = served.asks(("GET", "/v1/run/whoami"), &proof, "").await;
    assert!(own.body.contains(&run.id().to_string()), "{}", own.body);
    served.ends().await;
}

// threats 126, 166: the passphrase may be right; a process of a run is never a human.
#[tokio::test]
async fn a_process_inside_a_run_is_refused_whatever_it_knows() {
    let (served, alice) = Served::new().await;
    let opened = served.opens(&alice, our_parent()).await;
    for line in outside_runs() {
        let (method, path) = filled(&line);
        let answer = served.asks((method, &path), &factor(), "{}").await;
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.body);
    }
    // By descent alone it still learns who it is.
    let own = served.asks(("GET", "/v1/run/whoami"), "", "").await;
    assert!(own.body.contains(&opened.run.id.to_string()), "{}", own.body);
    served.ends().await;
}

// threat 165
#[tokio::test]
async fn without_a_factor_the_socket_shows_its_state_and_nothing_else() {
    let (served, _) = Served::new().await;
    for line in listing() {
        let (method, path) = filled(&line);
        let answer = served.asks((method, &path), "", "{}").await;
        let expected: &[u16] = match line.who {
            Who::Anybody | Who::Outside => &[200, 204],
            Who::Human | Who::Present => &[401],
            Who::Run if line.path == "/v1/run/whoami" => &[200],
            Who::Run => &[401, 403],
        };
        assert!(expected.contains(&answer.status), "{method} {path}: {}", answer.body);
    }
    served.ends().await;
}

// threat 168
#[tokio::test]
async fn unknown_fields_and_large_bodies_are_refused() {
    let (served, _) = Served::new().await;
    let agent = r#"{"name":"other","purpose":"x","owner":null,"sponsor":null,"state":"active"}"#;
    let answer = served.asks(("POST", "/v1/agents"), &factor(), agent).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    let large = " ".repeat(256 * 1024 + 1);
    let answer = served.asks(("POST", "/v1/agents"), &factor(), &large).await;
    assert_eq!(answer.status, 413, "{}", answer.body);
    let answer = served.asks(("GET", "/v1/runs?all=true&also=1"), &factor(), "").await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    served.ends().await;
}

#[tokio::test]
async fn a_secret_goes_in_and_never_comes_out() {
    let (served, _) = Served::new().await;
    let body = format!(
        r#"{{"connection":{{"name":"other","hosts":["other.test"],"slot":{{"slot":"bearer"}}}},
            "secret":"{CANARY}"}}"#
    );
    let added = served.asks(("POST", "/v1/connections"), &factor(), &body).await;
    assert_eq!(added.status, 200, "{}", added.body);
    let shown = served.asks(("GET", "/v1/connections/other"), &factor(), "").await;
    let logged = served.asks(("GET", "/v1/log"), &factor(), "").await;
    for answer in [added, shown, logged] {
        assert!(answer.status == 200 && !answer.body.contains(CANARY), "{}", answer.body);
    }
    served.ends().await;
}

#[tokio::test]
async fn a_run_whose_launcher_goes_away_is_closed() {
    let (served, alice) = Served::new().await;
    let spec = serde_json::to_string(&run_of("bot")).unwrap();
    let opened = served.asks(("POST", "/v1/runs"), &factor(), &spec).await;
    let opened: serde_json::Value = serde_json::from_str(&opened.body).unwrap();
    let (run, secret) = (opened["run"]["id"].as_str().unwrap(), opened["secret"].as_str().unwrap());
    let proof = format!("authorization: Marque-Run {run}:{secret}\r\n");
    let mut hold = served.connects().await;
    hold.write_all(head(("GET", "/v1/run/hold"), &proof, "").as_bytes()).await.unwrap();
    let held = tokio::time::timeout(Duration::from_millis(100), hold.read_u8()).await;
    assert!(held.is_err(), "a hold lasts as long as its run");
    assert_eq!(served.state_of(&alice, run).await, "open");
    drop(hold);
    let closed = async {
        while served.state_of(&alice, run).await == "open" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), closed).await.unwrap();
    assert_eq!(served.state_of(&alice, run).await, "orphaned");
    served.ends().await;
}

#[tokio::test]
async fn a_held_run_that_is_killed_tells_its_launcher() {
    let (served, alice) = Served::new().await;
    let opened = served.opens(&alice, std::process::id()).await;
    let proof = proof(&opened);
    let body = serde_json::to_string(&KillTarget::Run(opened.run.id.to_string())).unwrap();
    let kill = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        served.asks(("POST", "/v1/kill"), &factor(), &body).await
    };
    let (told, killed) = tokio::join!(served.asks(("GET", "/v1/run/hold"), &proof, ""), kill);
    assert_eq!(killed.status, 200, "{}", killed.body);
    let told: serde_json::Value = serde_json::from_str(&told.body).unwrap();
    assert_eq!(told["run"]["state"], "killed");
    assert!(told["checkpoint"]["leaves"].as_array().is_some_and(|leaves| !leaves.is_empty()));
    served.ends().await;
}

#[tokio::test]
async fn what_has_no_rehearsal_is_refused_and_not_done() {
    let (served, alice) = Served::new().await;
    let opened = served.opens(&alice, std::process::id()).await;
    let before = served.plane.log().size();
    let child = serde_json::to_string(&marque_testkit::child()).unwrap();
    for (path, proof, body) in [
        ("/v1/run/children", proof(&opened), child.as_str()),
        ("/v1/run/end", proof(&opened), ""),
        ("/v1/claim", factor(), ""),
        ("/v1/unlock", factor(), r#"{"ttl_secs":60}"#),
        ("/v1/lock", String::new(), ""),
    ] {
        let fields = format!("{proof}marque-dry-run: true\r\n");
        let answer = served.asks(("POST", path), &fields, body).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
        assert!(answer.body.contains("has no rehearsal"), "{path}: {}", answer.body);
    }
    assert_eq!(served.plane.log().size(), before);
    assert_eq!(served.state_of(&alice, &opened.run.id.to_string()).await, "open");
    served.ends().await;
}

#[tokio::test]
async fn a_rehearsed_yes_is_judged_and_not_given() {
    let (served, alice) = Served::new().await;
    alice.grants_lines("bot", asking(&["api:POST /v1/orders"])).await;
    let run = alice.starts_a_run("bot").await;
    let approval = run.calls("POST", "/v1/orders").await.is_held("refused.mandate.needs_approval");
    let acting = alice.acting().await;
    let shown = served.plane.plane().approval(&acting, &approval.to_string()).await.unwrap();
    let path = format!("/v1/approvals/{approval}/give");
    let yes = |digest: String| format!(r#"{{"digest":"{digest}"}}"#);
    let fields = format!("{}marque-dry-run: true\r\n", factor());
    let other = format!("sha256:{}", "0".repeat(64));
    let wrong = served.asks(("POST", &path), &fields, &yes(other)).await;
    assert_eq!(wrong.status, 409, "{}", wrong.body);
    let right = yes(shown.approval.digest.to_string());
    for _ in 0..2 {
        let judged = served.asks(("POST", &path), &fields, &right).await;
        assert_eq!(judged.status, 200, "{}", judged.body);
        assert!(judged.body.contains(r#""state":"given""#), "{}", judged.body);
    }
    let after = served.plane.plane().approval(&acting, &approval.to_string()).await.unwrap();
    assert_eq!(after.state, "asked");
    served.asks(("POST", &path), &factor(), &right).await;
    let late = served.asks(("POST", &path), &fields, &right).await;
    assert_eq!(late.status, 409, "{}", late.body);
    served.ends().await;
}
