//! The plane on PostgreSQL: the same road, on a store whose connection may break.

use std::time::Duration;

use marque_testkit::{PostgresServer, Setup, TestPlane, get};

const UNAVAILABLE: &str = "refused.record.log_unavailable";

#[tokio::test]
async fn a_plane_on_postgresql_remembers_over_a_restart() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = server.url();
    let plane = TestPlane::in_postgres(&url, Setup::default()).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    run.calls("GET", "/v1/items").await.is_allowed();
    run.calls("DELETE", "/v1/items").await.is_refused("refused.mandate.nothing_allows");
    plane.plane().stop().await;
    drop((run, alice, plane));
    let plane = TestPlane::in_postgres(&url, Setup::default()).await;
    let log = plane.log();
    assert_eq!(log.allowed(), 1);
    assert!(log.entries().iter().map(|entry| entry.index).eq(0..log.size() as u64));
    assert!(log.verified(&plane.log_key(), &plane.checkpoint().await.note).holds());
}

#[tokio::test]
async fn calls_go_on_after_the_connection_to_the_database_broke() {
    let Some(server) = PostgresServer::start() else { return };
    let plane = TestPlane::in_postgres(&server.url(), Setup::default()).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    run.calls("GET", "/v1/items").await.is_allowed();
    server.end_sessions();
    run.calls("GET", "/v1/items").await.is_allowed();
    assert_eq!(plane.log().allowed(), 2);
}

// threat 141: nothing is allowed that might not be on record.
#[tokio::test]
async fn a_call_whose_record_is_in_doubt_is_refused() {
    let Some(server) = PostgresServer::start() else { return };
    let url = server.url();
    let plane = TestPlane::in_postgres(&url, Setup::default()).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    server.sql_in(
        &url,
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'; \
         CREATE CONSTRAINT TRIGGER die AFTER INSERT ON log DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION die()",
    );
    run.calls("GET", "/v1/items").await.is_refused(UNAVAILABLE);
    server.sql_in(&url, "DROP TRIGGER die ON log");
    assert_eq!(plane.log().allowed(), 0);
    run.calls("GET", "/v1/items").await.is_allowed();
}

// threat 142
#[tokio::test(flavor = "multi_thread")]
async fn a_full_database_stops_every_act_until_there_is_room_again() {
    let Some(server) = PostgresServer::start_on_a_small_disk(16) else { return };
    let plane = TestPlane::in_postgres(&server.url_with_password(), Setup::default()).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    server.fills_the_disk();
    let (mut given, mut refused) = (Vec::new(), 0);
    for place in 0..2_000 {
        match run.permit(get(&format!("/{place}"))).await {
            Ok(permit) => given.push((permit.index(), permit.leaf())),
            Err(refusal) => {
                assert_eq!(refusal.code.text(), UNAVAILABLE, "{refusal}");
                let says_why = refusal.message.contains("the disk is full");
                assert!(says_why || refused > 0, "{refusal}");
                refused += 1;
            }
        }
        if refused == 20 {
            break;
        }
    }
    assert_eq!(refused, 20, "{} calls were allowed on a full disk", given.len());
    server.frees_the_disk();
    let goes_on = async {
        while run.permit(get("/again")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), goes_on).await.expect("there is room again");
    let log = plane.log();
    assert_eq!(log.allowed(), given.len() + 1);
    assert!(given.iter().all(|(index, leaf)| log.leaf(*index) == Some(*leaf)));
    assert!(log.verified(&plane.log_key(), &plane.checkpoint().await.note).holds());
}
