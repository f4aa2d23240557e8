//! Credentials: sealed to their row, opened by a permit, gone when they are replaced.

use marque_crypto::Secret;
use marque_domain::{Event, Outcome, Service, Slot};
use marque_plane::AdminKind;
use marque_plane::spec::ConnectionSpec;
use marque_store::{Faults, OpenOptions, Sealed, Store};
use marque_testkit::{CANARY, FilePlane, Setup, TestPlane, connection, get};

// threat 149
#[tokio::test(flavor = "multi_thread")]
async fn sealed_bytes_moved_to_another_row_open_nothing_and_that_is_recorded() {
    let home = FilePlane::new();
    let plane = home.start(Setup::default()).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let hosts = vec!["other.test".to_owned()];
    alice.connects_as(ConnectionSpec { hosts, ..connection("other") }).await;
    alice.grants("bot", &["other:GET /**"]).await;
    plane.stop().await;
    drop(alice);
    swap_sealed_rows(&home);

    let plane = home.start(Setup::default()).await;
    let run = plane.alice().starts_a_run("bot").await;
    run.calls("GET", "/v1/items").await.is_refused("refused.broker.no_credential");
    run.asks(get("/v1/items").to("other.test")).await.is_refused("refused.broker.no_credential");
    let decision = plane.log().last_decision().id;
    plane.settled(decision).await;
    let log = plane.log();
    let failed = log.entries().iter().filter(|entry| is_failed(&entry.event)).count();
    assert_eq!(failed, 2, "each act has its outcome: nothing was sent");
    assert!(!log.text().contains(CANARY));
}

fn is_failed(event: &Event) -> bool {
    matches!(event, Event::Outcome { result: Outcome::Failed { code }, .. }
        if code == "failed.credential")
}

fn swap_sealed_rows(home: &FilePlane) {
    let store = Store::open(&home.database()).unwrap();
    let mut writer = store.writer().unwrap();
    let swapped = writer.batch(|batch| {
        batch.attempt(|tx| {
            let rows = tx.all_sealed()?;
            let [one, two] = rows.as_slice() else { panic!("two credentials are sealed") };
            for (row, other) in [(one, two), (two, one)] {
                tx.shred_sealed(row.credential)?;
                tx.put_sealed(&Sealed { bytes: other.bytes.clone(), ..row.clone() })?;
            }
            Ok::<_, marque_store::StoreError>(())
        })
    });
    swapped.unwrap().unwrap();
}

#[tokio::test]
async fn a_rotated_credential_is_the_one_that_serves_from_then_on() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let before = run.calls("GET", "/v1/items").await.is_allowed().injected.unwrap();
    assert_eq!(before.1, format!("Bearer {CANARY}"));
    rotate(&plane, "another").await.unwrap();
    let after = run.calls("GET", "/v1/items").await.is_allowed().injected.unwrap();
    assert_eq!(after.1, "Bearer another");
    let kept = plane.store().read("test", |tx| Ok(tx.all_sealed()?.len())).unwrap();
    assert_eq!(kept, 1, "what it replaced is shredded");
}

async fn rotate(plane: &TestPlane, secret: &str) -> Result<(), marque_plane::AdminError> {
    let acting = plane.alice().acting().await;
    let secret = Secret::from_string(secret.to_owned());
    plane.plane().rotate_connection(&acting, "api", secret).await.map(|_| ())
}

// threat 153, threat 150: a credential and its entry come together or not at all, and one that is
// rotated is opened in exactly one generation.
#[tokio::test]
async fn a_credential_whose_entry_cannot_be_written_does_not_exist() {
    // Two commits at the start, one for the claim, each of three verbs and the run.
    let faults = Faults { fail_commit: Some(8), ..Faults::default() };
    let store = OpenOptions { faults, ..OpenOptions::default() };
    let plane = TestPlane::with(Setup { store, ..Setup::default() }).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let before = plane.log().size();
    rotate(&plane, "another").await.unwrap_err();
    assert_eq!(plane.log().size(), before);
    let served = run.calls("GET", "/v1/items").await.is_allowed().injected.unwrap();
    assert_eq!(served.1, format!("Bearer {CANARY}"));
}

#[tokio::test]
async fn a_credential_goes_where_its_slot_says() {
    let plane = TestPlane::new().await;
    let alice = plane.alice();
    alice.registers("bot").await;
    let slots = [
        (Slot::Bearer {}, "authorization", format!("Bearer {CANARY}")),
        (Slot::Header { name: "x-api-key".to_owned() }, "x-api-key", CANARY.to_owned()),
        (
            Slot::Basic { user: "marque".to_owned() },
            "authorization",
            "Basic bWFycXVlOmNhbmFyeS03ZjNhLXNlY3JldC1vZi10aGUtdXBzdHJlYW0=".to_owned(),
        ),
    ];
    for (place, (slot, header, value)) in slots.into_iter().enumerate() {
        let (name, host) = (format!("api{place}"), format!("api{place}.test"));
        let hosts = vec![host.clone()];
        let slot = Some(slot);
        alice.connects_as(ConnectionSpec { hosts, slot, ..connection(&name) }).await;
        alice.grants("bot", &[&format!("{name}:GET /**")]).await;
        let run = alice.starts_a_run("bot").await;
        let done = run.asks(get("/").to(&host)).await.is_allowed();
        assert_eq!(done.injected, Some((header.to_owned(), value)));
    }
}

#[tokio::test]
async fn a_connection_that_wants_no_credential_gets_none() {
    let plane = TestPlane::new().await;
    let alice = plane.alice();
    alice.connects_as(ConnectionSpec { slot: None, ..connection("api") }).await;
    alice.registers("bot").await;
    alice.grants("bot", &["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    assert_eq!(run.calls("GET", "/").await.is_allowed().injected, None);
}

#[tokio::test]
async fn an_opaque_connection_has_nothing_to_set_or_to_open_its_tls_with() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&[]).await;
    let acting = alice.acting().await;
    let opaque = || ConnectionSpec {
        service: Service::Net,
        slot: None,
        ceiling: vec!["connect **".to_owned()],
        ..connection("tunnel")
    };
    let secret = || Secret::from_string("s3cret".to_owned());
    for (spec, secret) in [
        (ConnectionSpec { plain_http: true, ..opaque() }, None),
        (ConnectionSpec { authority_pem: Some("pem".to_owned()), ..opaque() }, None),
        (ConnectionSpec { slot: Some(Slot::Bearer {}), ..opaque() }, Some(secret())),
        (ConnectionSpec { ceiling: vec!["GET /v1/**".to_owned()], ..opaque() }, None),
    ] {
        let error = plane.plane().add_connection(&acting, spec, secret).await.unwrap_err();
        assert_eq!(error.kind, AdminKind::Invalid, "{error}");
    }
    let shown = plane.plane().add_connection(&acting, opaque(), None).await.unwrap();
    assert_eq!(
        (shown.service.as_str(), shown.ceiling),
        ("net", vec!["tunnel:connect **".to_owned()])
    );
}
