use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tokio_postgres::config::SslMode;

use super::{DatabaseUrl, Place};
use crate::error::StoreError;

fn is_proven(url: &str) -> bool {
    let url = DatabaseUrl::parse(url).unwrap();
    matches!(url.hosts[0], Place::Tcp { is_proven: true, .. })
}

fn problem(url: &str) -> String {
    match DatabaseUrl::parse(url) {
        Err(StoreError::BadUrl(problem)) => problem,
        Err(error) => panic!("refused for another reason: {error}"),
        Ok(_) => panic!("`{url}` must be refused"),
    }
}

#[test]
fn a_server_elsewhere_must_prove_its_name_unless_the_url_says_otherwise() {
    assert!(is_proven("postgres://marque@db.example/marque"));
    assert!(is_proven("postgres://marque@192.0.2.1/marque"));
    assert!(is_proven("postgres://marque@[2001:db8::1]:5433/marque"));
    assert!(is_proven("postgres://marque@localhost/marque?sslmode=verify-full"));
    assert!(!is_proven("postgres://marque@db.example/marque?sslmode=disable"));
    assert!(!is_proven("postgres://marque@localhost/marque"));
    assert!(!is_proven("postgres://marque@127.0.0.1/marque"));
    assert!(!is_proven("postgres://marque@%2Frun%2Fpostgresql/marque"));
}

#[test]
fn modes_that_trust_whoever_answers_are_refused() {
    for mode in ["allow", "prefer", "require", "verify-ca", ""] {
        let told = problem(&format!("postgres://marque@db.example/marque?sslmode={mode}"));
        assert!(told.contains("verify-full"), "{told}");
    }
    let unix = problem("postgres://marque@%2Frun/marque?sslmode=verify-full");
    assert!(unix.contains("Unix socket"), "{unix}");
}

#[test]
fn a_url_that_cannot_be_used_is_refused_without_quoting_it() {
    for url in [
        "mysql://marque:canary@db.example/marque",
        "postgres://marque:can?ary@db.example/marque",
        "postgres://marque:canary@db.example:canary/marque",
        "postgres://db.example/canary",
        "postgres://canary@db.example",
        "postgres://marque:canary@/marque",
        "postgres://marque:canary@db.example/marque?canary=1",
        "postgres://marque:canary@db.example/marque?passfile=%zcanary",
        "postgres://marque:canary@db.example/marque?passfile=%+4canary",
        "postgres://marque:canary@a,b/marque?port=1,2,3",
    ] {
        let told = problem(url);
        assert!(!told.contains("canary") && !told.contains("ary@"), "{told}");
    }
}

#[test]
fn a_place_names_neither_user_nor_password() {
    let url = "postgres://alice:canary@db.example,[::1]:5433/marque?sslmode=disable";
    let url = DatabaseUrl::parse(url).unwrap();
    assert_eq!(url.place(), "db.example:5432,[::1]:5433/marque");
    let unix = DatabaseUrl::parse("postgres://alice@%2Frun%2Fpg:5433/marque").unwrap();
    assert_eq!(unix.place(), "/run/pg/.s.PGSQL.5433/marque");
}

#[test]
fn the_password_comes_from_the_url_or_from_a_file_of_its_owner() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("passwords");
    fs::write(&file, "# ours\nother:*:*:*:no\ndb.example:5432:*:marque:a\\:b\\\\c\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let password = |url: &str| -> Result<Option<String>, StoreError> {
        let url = DatabaseUrl::parse(url)?.with_passfile(&file);
        let config = url.config_for(&url.hosts[0])?;
        assert_eq!(config.get_ssl_mode(), SslMode::Require);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ok(config.get_password().map(text))
    };
    let found = password("postgres://marque@db.example/marque").unwrap();
    assert_eq!(found.as_deref(), Some("a:b\\c"));
    assert_eq!(password("postgres://marque@db.example:5433/marque").unwrap(), None);
    let inline = password("postgres://marque:p%40ss@db.example/marque").unwrap();
    assert_eq!(inline.as_deref(), Some("p@ss"));

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = password("postgres://marque@db.example/marque");
    assert!(matches!(refused, Err(StoreError::Unsafe { .. })), "others can read it");
}
