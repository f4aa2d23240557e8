//! The reverse door: tokens with proofs, the upstream's credential in their place, and every no.

mod gate;
mod git;
mod lines;
mod proofs;
mod step_up;

use marque_domain::{Answer, Event, Outcome};
use marque_plane::oauth::EndpointAsk;
use marque_plane::spec::KillTarget;
use marque_testkit::{CANARY, GATEWAY};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use super::is;
use super::world::{PATIENCE, read_head};
use gate::{Gate, for_bearers};

/// Why, in the challenge of an answer.
#[track_caller]
fn says(answer: &str, error: &str) {
    let wanted = format!("www-authenticate: DPoP error=\"{error}\", resource_metadata=\"");
    assert!(answer.contains(&wanted), "{answer}");
    assert!(answer.contains("algs=\"ES256 RS256 EdDSA\"\r\n"), "{answer}");
}

// threats 64, 65, 88
#[tokio::test]
async fn a_token_with_a_proof_is_swapped_for_the_upstreams_credential() {
    let gate = Gate::plain().await;
    let token = gate.token("plain").await;
    let line = "GET /c/plain/v1/items?a=1&b=%20";
    let forged = "X-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\nX-SSL-Client-Cert: a\r\n\
                  X-Real-IP: 10.0.0.1\r\nX_Forwarded_Host: a\r\nX-Kept: 1\r\nCookie: a=b\r\n";
    let fields = gate.fields(&token, line) + forged;
    let answer = gate.says(line, &fields).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("hello"), "{answer}");
    let nonce = format!("dpop-nonce: {}\r\n", gate.plane.plane().dpop_nonce());
    assert!(answer.contains(&nonce), "{answer}");
    assert!(!answer.contains("www-authenticate"), "{answer}");

    let saw = gate.seen.requests().concat();
    assert!(saw.starts_with("GET /v1/items?a=1&b=%20 HTTP/1.1\r\n"), "{saw}");
    assert!(saw.contains(&format!("authorization: Bearer {CANARY}\r\n")), "{saw}");
    assert!(saw.contains("host: plain.test\r\n") && saw.contains("x-kept: 1\r\n"), "{saw}");
    for stripped in [token.as_str(), "dpop", "forwarded", "x-ssl", "x-real-ip", "cookie"] {
        assert!(!saw.to_lowercase().contains(&stripped.to_lowercase()), "{stripped} in {saw}");
    }

    let log = gate.plane.log();
    let decision = log.last_decision();
    assert_eq!(decision.answer, Answer::Allowed);
    gate.plane.settled(decision.id).await;
    let log = gate.plane.log();
    let outcome = log.entries().iter().find_map(|entry| match &entry.event {
        Event::Outcome { result, .. } => Some(result.clone()),
        _ => None,
    });
    assert_eq!(outcome, Some(Outcome::Answered { status: 200 }));
    assert!(!log.text().contains(&token), "the log has the token");
    assert!(!log.text().contains(CANARY), "the log has the credential");
}

#[tokio::test]
async fn the_root_of_a_connection_is_asked_for_with_its_name_alone() {
    let gate = Gate::plain().await;
    let token = gate.token("plain").await;
    for line in ["GET /c/plain", "GET /c/plain/", "GET /c/plain?a=1"] {
        is(&gate.asks(&token, line).await, 403, "refused.mandate.nothing_allows");
    }
    let log = gate.plane.log();
    let targets = log.decisions().into_iter().rev().take(3).map(|found| &found.operation.target);
    let targets: Vec<_> = targets.collect();
    assert!(targets.iter().all(|target| *target == targets[0]), "{targets:?}");
}

#[tokio::test]
async fn a_body_goes_up_and_an_approval_lets_one_request_through() {
    let gate = Gate::plain().await;
    let token = gate.token("plain").await;
    let line = "PUT /c/plain/v1/items";
    let with_body = |fields: String| format!("{fields}Content-Length: 5\r\n");
    let send = async |line: &str| {
        let fields = with_body(gate.fields(&token, line));
        gate.says_all(&format!("{line} HTTP/1.1\r\nHost: gw.test\r\n{fields}\r\nhello")).await
    };
    let answer = send(line).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(gate.seen.requests().concat().ends_with("\r\n\r\nhello"));

    let held = send("POST /c/plain/v1/items").await;
    is(&held, 403, "refused.mandate.needs_approval");
    assert!(!held.contains("www-authenticate"), "no other token would help: {held}");
    let approval = held.split("marque approval give ").nth(1).unwrap();
    let approval: String =
        approval.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    assert!(held.contains(&format!("ref: {approval}\n")), "{held}");
    gate.alice.approves(approval.parse().unwrap()).await.unwrap();
    let answer = send("POST /c/plain/v1/items").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    is(&send("POST /c/plain/v1/items").await, 403, "refused.mandate.needs_approval");
    assert_eq!(gate.seen.requests().len(), 2);
}

#[tokio::test]
async fn a_no_says_whether_more_authority_would_help() {
    let gate = Gate::plain().await;
    let token = gate.token("plain").await;
    let answer = gate.asks(&token, "DELETE /c/plain/v1/items").await;
    is(&answer, 403, "refused.mandate.nothing_allows");
    says(&answer, "insufficient_scope");
    assert!(answer.contains("dpop-nonce: "), "{answer}");
    let answer = gate.asks(&token, "GET /c/plain/v1/secrets/a").await;
    is(&answer, 403, "refused.mandate.never");
    says(&answer, "actor_unauthorized");
    assert_eq!(gate.seen.requests(), [""; 0]);
}

// threat 52
#[tokio::test]
async fn details_bind_the_token_to_what_they_name() {
    let gate = Gate::plain().await;
    let details = r#"[{"type":"http_operation","actions":["GET"],"identifier":"/v1/items"}]"#;
    let token = gate.token_for(details).await;
    let answer = gate.asks(&token, "GET /c/plain/v1/items?page=2").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for line in ["GET /c/plain/v1/items/1", "GET /c/plain/v1/other", "PUT /c/plain/v1/items"] {
        let answer = gate.asks(&token, line).await;
        is(&answer, 403, "refused.mandate.beyond_token");
        says(&answer, "insufficient_scope");
    }
    assert_eq!(gate.seen.requests().len(), 1);
}

// Whether there is such a connection is learned by nobody it is not for.
#[tokio::test]
async fn an_unknown_connection_reads_like_one_of_somebody_else() {
    let gate = Gate::plain().await;
    let token = gate.token("plain").await;
    let without_names = |answer: String, name: &str| {
        let lines = answer.lines().filter(|line| {
            !["ref: ", "date: ", "dpop-nonce: "].iter().any(|word| line.starts_with(word))
        });
        lines.map(|line| line.replace(&format!("/c/{name}"), "/c/NAME")).collect::<Vec<_>>()
    };
    for fields in [true, false] {
        let mut heard = Vec::new();
        for name in ["other", "nobody", "echo"] {
            let line = format!("GET /c/{name}/v1/items");
            let fields = if fields { gate.fields(&token, &line) } else { String::new() };
            heard.push(without_names(gate.says(&line, &fields).await, name));
        }
        assert!(heard[0][0].starts_with("HTTP/1.1 401 "), "{heard:?}");
        assert_eq!(heard[0], heard[1]);
        assert_eq!(heard[0], heard[2]);
    }
    for line in ["GET /", "GET /c", "GET /c/", "GET /c/No/a", "GET /d/plain/v1", "GET /oauth/token"]
    {
        is(&gate.says(line, "").await, 404, "malformed.target");
    }
    assert_eq!(gate.seen.requests(), [""; 0]);
}

#[tokio::test]
async fn what_a_connection_asks_of_its_callers_is_told_to_anybody() {
    let gate = Gate::plain().await;
    let path = "/.well-known/oauth-protected-resource/c/plain";
    let answer = gate.says(&format!("GET {path}"), "").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("cache-control: public, max-age=300\r\n"), "{answer}");
    assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let told: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(told["resource"], format!("{GATEWAY}/c/plain"));
    assert_eq!(told["authorization_servers"], serde_json::json!(["https://id.test"]));
    let answer = gate.says("GET /c/plain/v1/a", "").await;
    assert!(answer.contains(&format!("resource_metadata=\"{GATEWAY}{path}\"")), "{answer}");
    for line in [
        "GET /.well-known/oauth-protected-resource/c/nobody",
        "GET /.well-known/oauth-protected-resource/c/plain/v1",
        "GET /.well-known/oauth-protected-resource",
        "PUT /.well-known/oauth-protected-resource/c/plain",
    ] {
        is(&gate.says(line, "").await, 404, "malformed.target");
    }
}

// threats 79, 80, 81
#[tokio::test]
async fn an_answer_is_cleaned_here_too() {
    let gate = Gate::plain().await;
    let token = gate.token("echo").await;
    let body = format!("{{\"token\":\"{CANARY}\"}}");
    let head = format!(
        "HTTP/1.1 200 OK\r\nX-Echo: {CANARY}\r\nSet-Cookie: a=b\r\nWWW-Authenticate: Basic\r\n\
         DPoP-Nonce: theirs\r\nCache-Control: public\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    *gate.echo.lock().unwrap() = head.into_bytes();
    let answer = gate.asks(&token, "GET /c/echo/v1/a").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains(CANARY), "{answer}");
    assert!(answer.contains("{\"token\":\"***"), "{answer}");
    for held_back in ["set-cookie", "www-authenticate", "theirs"] {
        assert!(!answer.contains(held_back), "{answer}");
    }
    assert!(answer.contains("cache-control: private\r\n"), "threat 92: {answer}");

    let moved = "HTTP/1.1 302 Found\r\nLocation: https://elsewhere.test/\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n";
    *gate.echo.lock().unwrap() = moved.into();
    let answer = gate.asks(&token, "GET /c/echo/v1/a").await;
    assert!(answer.starts_with("HTTP/1.1 302 "), "{answer}");
    assert!(answer.contains("location: https://elsewhere.test/\r\n"), "{answer}");
}

/// Begins an answer that never ends.
async fn begins(gate: &Gate, token: &str) -> tokio::net::TcpStream {
    let mut stream = gate.connects().await;
    let line = "GET /c/plain/slow";
    let fields = gate.fields(token, line);
    let request = format!("{line} HTTP/1.1\r\nHost: gw.test\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200 "));
    stream
}

async fn is_cut(mut stream: tokio::net::TcpStream) {
    let mut rest = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "the answer looks complete");
    assert!(read.is_err(), "the connection was not reset");
}

async fn last_outcome(gate: &Gate) -> Outcome {
    let log = gate.plane.log();
    let decision = log.decisions().into_iter().rfind(|found| found.answer == Answer::Allowed);
    let decision = decision.unwrap().id;
    gate.plane.settled(decision).await;
    let log = gate.plane.log();
    let found = log.entries().iter().find_map(|entry| match &entry.event {
        Event::Outcome { decision: of, result, .. } if *of == decision => Some(result.clone()),
        _ => None,
    });
    found.unwrap()
}

// threat 178
#[tokio::test]
async fn a_kill_cuts_what_flows_and_the_token_is_worth_nothing() {
    let gate = Gate::plain().await;
    let token = gate.token("plain").await;
    let stream = begins(&gate, &token).await;
    let run = gate.client.claims_of(&token).run.unwrap().id;
    let target = KillTarget::Run(run.to_string());
    gate.plane.plane().kill(&gate.alice.acting().await, target).await.unwrap();
    is_cut(stream).await;
    assert_eq!(last_outcome(&gate).await, Outcome::Cut);
    let answer = gate.asks(&token, "GET /c/plain/v1/items").await;
    is(&answer, 401, "refused.run.killed");
    says(&answer, "invalid_token");
    assert_eq!(gate.refused().last().unwrap(), "refused.run.killed");
}

// threat 36
#[tokio::test]
async fn a_token_that_is_taken_back_ends_what_rests_on_it_and_nothing_else() {
    let gate = Gate::plain().await;
    let (token, other) = (gate.token("plain").await, gate.token("plain").await);
    let (stream, mut goes_on) = (begins(&gate, &token).await, begins(&gate, &other).await);
    let about = gate.client.about(&token);
    gate.plane.plane().revoke(&EndpointAsk::bare(), &about).await.unwrap();
    let answer = gate.asks(&token, "GET /c/plain/v1/items").await;
    is(&answer, 401, "refused.caller.proof");
    says(&answer, "invalid_token");
    is_cut(stream).await;
    // Longer than it takes to look again.
    sleep(std::time::Duration::from_millis(700)).await;
    let mut some = vec![0; 64 * 1_024];
    let mut got = 0;
    while got < 300 {
        got += timeout(PATIENCE, goes_on.read(&mut some)).await.unwrap().unwrap();
    }
    let answer = gate.asks(&other, "GET /c/plain/v1/items").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_token_of_nobody_is_taken_only_where_a_human_allowed_it() {
    let gate = Gate::plain().await;
    gate.alice.connects_as(for_bearers("open", gate.upstream)).await;
    gate.alice.grants("bot", &["open:token", "open:GET /v1/**"]).await;
    // The run began before that grant.
    let client = gate.alice.has_client("late", "bot").await;
    let resource = format!("{GATEWAY}/c/open");
    let parameters = [("grant_type", "client_credentials"), ("resource", resource.as_str())];
    let got = client.asks_with(EndpointAsk::bare(), &client.assertion(), &parameters).await;
    let token = got.unwrap_or_else(|refused| panic!("{refused:?}")).token;
    let answer = gate.says("GET /c/open/v1/a", &format!("Authorization: Bearer {token}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!answer.contains("dpop-nonce"), "{answer}");
    let answer = gate.says("GET /c/open/v1/a", &format!("Authorization: DPoP {token}\r\n")).await;
    is(&answer, 401, "refused.caller.proof");
    let answer =
        gate.says("GET /c/plain/v1/a", &format!("Authorization: Bearer {token}\r\n")).await;
    is(&answer, 401, "refused.caller.proof");
    assert!(answer.contains("www-authenticate: Bearer error=\"invalid_token\""), "{answer}");
    says(&answer, "invalid_token");
}
