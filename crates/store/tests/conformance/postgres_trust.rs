//! Whom a store in PostgreSQL trusts, and with what.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use marque_store::{DatabaseUrl, OpenOptions, Store, StoreError};
use marque_testkit::{DATABASE_PASSWORD, PostgresServer};

use crate::home::write;
use crate::postgres::open;
use crate::sample::{append, started};

#[test]
fn a_server_that_does_not_sync_is_refused() {
    let Some(server) = PostgresServer::start() else { return };
    server.sql("ALTER SYSTEM SET fsync = off");
    server.sql("SELECT pg_reload_conf(), pg_sleep(1)");
    let url = server.url();
    let refused = open(&url).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("fsync"), "{refused}");
    let options = OpenOptions { allows_loss: true, ..OpenOptions::default() };
    Store::open_postgres(&DatabaseUrl::parse(&url).unwrap(), options).unwrap();
}

#[test]
fn a_server_proves_its_name_and_the_password_is_bound_to_it() {
    let Some(server) = PostgresServer::shared() else { return };
    let directory = tempfile::tempdir().unwrap();
    let passwords = directory.path().join("passwords");
    fs::write(&passwords, format!("*:*:*:marque:{DATABASE_PASSWORD}\n")).unwrap();
    fs::set_permissions(&passwords, fs::Permissions::from_mode(0o600)).unwrap();
    let authority = server.authority().display().to_string().replace('/', "%2F");
    let proven = format!("sslmode=verify-full&sslrootcert={authority}&channel_binding=require");
    let open = |host: &str, options: &str| {
        let url = DatabaseUrl::parse(&server.url_over_tcp(host, options)).unwrap();
        Store::open_postgres(&url.with_passfile(&passwords), OpenOptions::default())
    };
    let store = open("localhost", &proven).unwrap();
    write(&store, |tx| append(tx, 0, started())).unwrap();
    let sessions = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                    WHERE usename = 'marque' AND ssl AND version = 'TLSv1.3'";
    assert_ne!(server.sql(sessions), "0", "the connection must be encrypted");
    // The certificate names `localhost`, not the address.
    let refused = open("127.0.0.1", &proven).map(|_| ()).unwrap_err();
    assert!(matches!(&refused, StoreError::Unreachable(why) if why.contains("TLS")), "{refused}");
    // The system's authorities know nothing of this certificate.
    let refused = open("localhost", "sslmode=verify-full").map(|_| ());
    assert!(refused.is_err(), "an unknown authority was trusted");
    // In the clear there is nothing to bind to.
    let refused = open("localhost", "sslmode=disable&channel_binding=require").map(|_| ());
    assert!(matches!(refused, Err(StoreError::Unreachable(_))), "{refused:?}");
    open("127.0.0.1", "sslmode=disable").unwrap();
}

#[test]
fn a_wrong_password_is_refused_and_told_to_nobody() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = server.url_over_tcp("127.0.0.1", "password=canary-wrong");
    let told = open(&url).map(|_| ()).unwrap_err();
    assert!(matches!(&told, StoreError::Unreachable(_)), "{told}");
    assert!(!told.to_string().contains("canary"), "{told}");
    let nobody = open("postgres://marque@127.0.0.1:1/marque").map(|_| ()).unwrap_err();
    assert!(matches!(&nobody, StoreError::Unreachable(_)), "{nobody}");
}

// A stranger on the way strips TLS from the greeting: then nothing at all is said to it.
#[test]
fn a_server_that_has_no_tls_where_it_is_demanded_hears_no_more_than_the_question() {
    let Some(server) = PostgresServer::shared() else { return };
    let authority = server.authority().display().to_string().replace('/', "%2F");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stranger = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = [0; 8];
        stream.read_exact(&mut heard).unwrap();
        stream.write_all(b"N").unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        rest
    });
    let proven = format!("sslmode=verify-full&sslrootcert={authority}");
    let url = format!("postgres://marque:{DATABASE_PASSWORD}@{address}/marque?{proven}");
    let refused = open(&url).map(|_| ()).unwrap_err();
    assert!(matches!(refused, StoreError::Unreachable(_)), "{refused}");
    assert_eq!(stranger.join().unwrap(), b"", "something was said in the clear");
}

#[test]
fn a_server_that_says_nothing_is_given_up_after_five_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://marque@{}/marque", listener.local_addr().unwrap());
    let silent = open(&url).map(|_| ()).unwrap_err().to_string();
    assert!(silent.contains("no word from the server for 5 s"), "{silent}");
}
