//! Bytes that pass unseen.

use std::sync::Arc;

use marque_domain::{Limits, Outcome};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::super::agent::trusting;
use super::super::world::{
    CREDENTIAL, PATIENCE, World, provider, read_answer, read_head, read_until,
};
use super::super::{ANSWERED, is};
use super::Captured;

/// Trusts that authority alone, as programs do that bring their own.
fn pinning(pem: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: pinned.test\r\n\r\n")
}

#[tokio::test]
async fn a_line_lets_a_program_speak_with_the_one_upstream_it_trusts() {
    let world = World::new().await;
    let authority = world.registers_an_opaque_one(Limits::default()).await;
    let run = Captured::new(&world).await;
    let shaken = run.shakes_hands("pinned.test", "pinned.test", &pinning(&authority)).await;
    let mut stream = shaken.unwrap();
    stream.write_all(request("/v9/anything").as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, "hello").await;
    assert!(answer.ends_with("hello"), "{answer}");
    stream.shutdown().await.unwrap();
    drop(stream);
    let saw = world.upstream_saw().concat();
    assert!(saw.contains("/v9/anything") && !saw.contains(CREDENTIAL), "{saw}");
    let crossed = world.crossed(&run.agent).await;
    let [(outcome, sent, received)] = crossed.as_slice() else { panic!("{crossed:?}") };
    assert_eq!(*outcome, ANSWERED);
    assert!(*sent > 200 && *received > 500, "{sent} {received}");
}

// threat 78, threat 100
#[tokio::test]
async fn what_passes_unseen_goes_only_to_the_host_that_was_dialled() {
    let world = World::new().await;
    let authority = world.registers_an_opaque_one(Limits::default()).await;
    let run = Captured::new(&world).await;
    let config = pinning(&authority);
    for (dialled, name) in [("pinned.test", "private.test"), ("unknown.test", "pinned.test")] {
        let error = run.shakes_hands(dialled, name, &config).await.unwrap_err();
        assert!(error.to_string().contains("UnrecognisedName"), "{error}");
    }
    // What has a connection that reads it is read.
    let error = run.shakes_hands("private.test", "private.test", &config).await.unwrap_err();
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    assert!(run.says("pinned.test", 80, &request("/")).await.starts_with("HTTP/1.1 403"));
    assert_eq!(world.upstream_saw(), [""; 0]);
}

#[tokio::test]
async fn a_run_without_the_line_reads_why_and_a_proxied_one_passes_nothing_unseen() {
    let world = World::new().await;
    let run = Captured::new(&world).await;
    world.registers_an_opaque_one(Limits::default()).await;
    let answer = run.says_privately("pinned.test", &request("/")).await;
    is(&answer, 403, "refused.mandate.nothing_allows");
    assert_eq!(world.refused_targets(&run.agent).await, ["https://pinned.test:443"]);

    let advisory = world.opens_a_run(Limits::default()).await;
    let config = trusting(&[&advisory], &[]);
    let shaken = advisory.shakes_hands("pinned.test", "pinned.test", &config).await;
    let mut stream = shaken.unwrap();
    stream.write_all(request("/").as_bytes()).await.unwrap();
    is(&read_answer(&mut stream).await, 501, "failed.opaque");
    assert_eq!(world.upstream_saw(), [""; 0]);
}

// threat 178
#[tokio::test]
async fn a_kill_cuts_what_passes_unseen() {
    let world = World::new().await;
    let authority = world.registers_an_opaque_one(Limits::default()).await;
    let run = Captured::new(&world).await;
    let shaken = run.shakes_hands("pinned.test", "pinned.test", &pinning(&authority)).await;
    let mut stream = shaken.unwrap();
    stream.write_all(request("/slow").as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
    world.kills(&run.agent).await;
    let cut = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.unwrap();
    assert!(cut.is_err(), "the stream must be reset");
    assert_eq!(world.outcomes_of(&run.agent, 1).await, [Outcome::Cut]);
    world.lines_left_open(0).await;
}

#[tokio::test]
async fn what_passes_unseen_is_paid_for() {
    let world = World::new().await;
    let limits = Limits { bytes: Some(64 * 1024), ..Limits::default() };
    let authority = world.registers_an_opaque_one(limits).await;
    let run = Captured::new(&world).await;
    let shaken = run.shakes_hands("pinned.test", "pinned.test", &pinning(&authority)).await;
    let mut stream = shaken.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: pinned.test\r\ncontent-length: 1048576\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let sending = async {
        let piece = [b'x'; 8 * 1024];
        while stream.write_all(&piece).await.is_ok() {}
    };
    timeout(PATIENCE, sending).await.unwrap();
    let crossed = world.crossed(&run.agent).await;
    let [(outcome, sent, received)] = crossed.as_slice() else { panic!("{crossed:?}") };
    assert_eq!(*outcome, Outcome::Failed { code: "failed.bytes".to_owned() });
    assert!(sent + received <= 64 * 1024, "{sent} {received}");
}
