//! What one run leaves behind on lines, tickets and caches is never another's (threat 92).

use std::sync::Arc;

use http::Request;
use marque_domain::Limits;
use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Resumption};
use rustls::client::{Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::{ClientConfig, HandshakeKind, NamedGroup};
use rustls_pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

use super::ANSWERED;
use super::agent::{Agent, trusting};
use super::world::{PATIENCE, World, read_answer};

const HOSTS: [&str; 2] = ["private.test", "modern.test"];

async fn asks(agent: &Agent, host: &str) {
    let answer = agent.says(host, "GET /v1/same-url", "").await;
    assert!(answer.ends_with("hello"), "{host}: {answer}");
}

// threat 92
#[tokio::test]
async fn two_runs_that_ask_the_same_are_both_answered_by_the_upstream() {
    let world = World::new().await;
    let other = world.opens_a_run(Limits::default()).await;
    for host in HOSTS {
        for agent in [&world.bot, &other, &world.bot, &other] {
            asks(agent, host).await;
        }
    }
    assert_eq!(world.upstream_saw().len(), 8, "nothing is answered from a cache");
    assert_eq!(world.outcomes(4).await, [ANSWERED; 4]);
    assert_eq!(world.outcomes_of(&other, 4).await, [ANSWERED; 4]);
}

// threat 92
#[tokio::test]
async fn conditions_and_ranges_pass_and_a_part_is_asked_for_unpacked() {
    let world = World::new().await;
    let conditions = "If-None-Match: \"a\"\r\nAccept-Encoding: gzip, br, xz\r\n";
    let part = "Range: bytes=0-4\r\nIf-Range: \"a\"\r\nAccept-Encoding: gzip, br\r\n";
    for host in HOSTS {
        world.bot.says(host, "GET /v1/a", conditions).await;
        world.bot.says(host, "GET /v1/a", part).await;
        let client = world.bot.speaks_http2(host).await;
        let request = Request::get(format!("https://{host}/v1/a"))
            .header("range", "bytes=0-4")
            .header("accept-encoding", "gzip");
        client.asks(request.body(String::new()).unwrap()).await.unwrap();
        let saw = world.upstream_saw().split_off(world.upstream_saw().len() - 3);
        assert!(saw[0].contains("if-none-match: \"a\"\r\n"), "{saw:?}");
        assert!(saw[0].contains("accept-encoding: gzip, br\r\n"), "{saw:?}");
        assert!(saw[1].contains("if-range: \"a\"\r\n"), "{saw:?}");
        for request in &saw[1..] {
            assert!(request.contains("range: bytes=0-4\r\n"), "{request}");
            assert!(request.contains("accept-encoding: identity\r\n"), "{request}");
        }
    }
}

// threat 92
#[tokio::test]
async fn a_kept_line_serves_its_own_run_and_no_other() {
    for host in HOSTS {
        let world = World::new().await;
        let other = world.opens_a_run(Limits::default()).await;
        for (agent, lines) in [(&world.bot, 1), (&world.bot, 1), (&other, 2), (&world.bot, 2)] {
            asks(agent, host).await;
            assert_eq!(world.lines_opened(), lines, "{host}");
        }
        asks(&other, host).await;
        assert_eq!(world.lines_opened(), 2, "{host}");
    }
}

// threat 92
#[tokio::test]
async fn a_kept_line_serves_no_other_credential() {
    for (connection, host) in [("private", "private.test"), ("modern", "modern.test")] {
        let world = World::new().await;
        asks(&world.bot, host).await;
        world.rotates(connection).await;
        asks(&world.bot, host).await;
        asks(&world.bot, host).await;
        assert_eq!(world.lines_opened(), 2, "{host}");
    }
}

#[tokio::test]
async fn a_line_that_its_upstream_has_ended_is_replaced_and_nothing_is_sent_twice() {
    for host in HOSTS {
        let world = World::new().await;
        for number in 1..=3 {
            let answer = world.bot.says(host, "GET /v1/fleeting", "").await;
            assert!(answer.ends_with("hello"), "{host}: {answer}");
            world.lines_left_open(0).await;
            // The gateway notices as soon as its own task has run.
            sleep(PATIENCE / 100).await;
            assert_eq!(world.upstream_saw().len(), number, "{host}");
            assert_eq!(world.lines_opened(), number, "{host}");
        }
        assert_eq!(world.outcomes(3).await, [ANSWERED; 3]);
    }
}

// threat 178
#[tokio::test]
async fn a_kill_closes_the_kept_lines_of_its_run_and_of_no_other() {
    for host in HOSTS {
        let world = World::new().await;
        let other = world.opens_a_run(Limits::default()).await;
        asks(&world.bot, host).await;
        asks(&other, host).await;
        world.lines_left_open(2).await;
        world.kills_the_run().await;
        world.lines_left_open(1).await;
        asks(&other, host).await;
        assert_eq!(world.lines_opened(), 2, "{host}");
    }
}

/// Offers whatever ticket it has to whatever host.
#[derive(Debug)]
struct AnyHost(ClientSessionMemoryCache);

fn any() -> ServerName<'static> {
    ServerName::try_from("any.test").unwrap()
}

impl ClientSessionStore for AnyHost {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.set_tls12_session(any(), value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(&any())
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.0.remove_tls12_session(&any());
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(any(), value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(&any())
    }
}

async fn shakes(agent: &Agent, host: &str, config: &Arc<ClientConfig>) -> HandshakeKind {
    let mut stream = agent.shakes_hands(host, host, config).await.unwrap();
    let request = format!("GET /v1/a HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    // Tickets come with the first bytes (RFC 8446 §4.6.1).
    assert!(read_answer(&mut stream).await.ends_with("hello"));
    stream.get_ref().1.handshake_kind().unwrap()
}

// threat 92
#[tokio::test]
async fn a_ticket_is_good_for_its_own_run_and_host_only() {
    let world = World::new().await;
    let other = world.opens_a_run(Limits::default()).await;
    let mut config = Arc::unwrap_or_clone(trusting(&[&world.bot, &other], &[]));
    let store = Arc::new(AnyHost(ClientSessionMemoryCache::new(8)));
    config.resumption = Resumption::store(store);
    let config = Arc::new(config);
    let resumes = async |agent, host| shakes(agent, host, &config).await == HandshakeKind::Resumed;
    assert!(!resumes(&world.bot, "private.test").await);
    assert!(resumes(&world.bot, "private.test").await);
    assert!(!resumes(&other, "private.test").await, "another run");
    assert!(resumes(&other, "private.test").await);
    assert!(!resumes(&other, "modern.test").await, "another host");
    assert!(resumes(&other, "modern.test").await);
}

#[tokio::test]
async fn connections_to_one_host_share_a_leaf_and_those_of_another_run_do_not() {
    let world = World::new().await;
    let other = world.opens_a_run(Limits::default()).await;
    let leaf = async |agent: &Agent, host| {
        let stream = agent.speaks_http1(host).await;
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let first = leaf(&world.bot, "private.test").await;
    assert_eq!(first, leaf(&world.bot, "private.test").await);
    assert_ne!(first, leaf(&world.bot, "modern.test").await);
    assert_ne!(first, leaf(&other, "private.test").await);
}
