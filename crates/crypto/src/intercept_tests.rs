use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use marque_domain::Timestamp;

use super::{InterceptAuthority, Leaf};
use crate::{CryptoError, Secret};

const HOUR: Duration = Duration::from_secs(3_600);
/// 2026-11-18T11:06:40Z.
const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

fn authority(lifetime: Duration) -> InterceptAuthority {
    InterceptAuthority::create("run_01JT", NOW, lifetime).unwrap()
}

/// What `openssl` prints, on either stream.
fn openssl(dir: &Path, arguments: &str) -> String {
    let words = arguments.split(' ');
    let output = Command::new("openssl").args(words).current_dir(dir).output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

fn verify(authority: &InterceptAuthority, leaf: &Leaf, at: Timestamp, extra: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("ca.pem"), authority.ca_pem()).unwrap();
    fs::write(dir.path().join("leaf.pem"), leaf.chain_pem()).unwrap();
    let secs = at.as_millis() / 1000;
    let fixed = "verify -x509_strict -purpose sslserver -CAfile ca.pem";
    openssl(dir.path(), &format!("{fixed} -attime {secs} {extra} leaf.pem"))
}

fn text(pem: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("it.pem"), pem).unwrap();
    openssl(dir.path(), "x509 -noout -text -in it.pem")
}

#[test]
fn openssl_accepts_a_leaf_for_its_own_host_and_no_other() {
    let authority = authority(HOUR);
    let leaf = authority.leaf("API.demo.test", NOW).unwrap();
    let good = verify(&authority, &leaf, NOW, "-verify_hostname api.demo.test");
    assert!(good.contains("leaf.pem: OK"), "{good}");
    let bad = verify(&authority, &leaf, NOW, "-verify_hostname other.demo.test");
    assert!(bad.contains("hostname mismatch"), "{bad}");
    let stranger = InterceptAuthority::create("run_01JT", NOW, HOUR).unwrap();
    let bad = verify(&stranger, &leaf, NOW, "-verify_hostname api.demo.test");
    assert!(!bad.contains("leaf.pem: OK"), "{bad}");
}

#[test]
fn an_authority_of_a_server_is_called_so_and_comes_back_as_it_was() {
    let made = InterceptAuthority::create_for_server(NOW, 48 * HOUR).unwrap();
    let authority = InterceptAuthority::restore(&made.expose().unwrap()).unwrap();
    assert_eq!((authority.ca_pem(), authority.ends()), (made.ca_pem(), made.ends()));
    assert!(text(&authority.ca_pem()).contains("Subject: CN = Marque server CA"));
    let leaf = authority.leaf("id.demo.test", NOW).unwrap();
    assert!(text(&leaf.chain_pem()).contains("Subject: CN = Marque server\n"));
    let good = verify(&authority, &leaf, NOW, "-verify_hostname id.demo.test");
    assert!(good.contains("leaf.pem: OK"), "{good}");
}

#[test]
fn openssl_accepts_leaves_for_addresses() {
    let authority = authority(HOUR);
    for address in ["127.0.0.1", "2001:db8::1"] {
        let leaf = authority.leaf(address, NOW).unwrap();
        let answer = verify(&authority, &leaf, NOW, &format!("-verify_ip {address}"));
        assert!(answer.contains("leaf.pem: OK"), "{answer}");
    }
}

#[test]
fn a_leaf_lives_at_most_a_day_and_never_beyond_its_authority() {
    let day = Duration::from_secs(86_400);
    let long = authority(day * 7).leaf("api.demo.test", NOW).unwrap();
    assert_eq!(long.ends(), NOW.plus(day));
    let authority = authority(HOUR);
    let short = authority.leaf("api.demo.test", NOW).unwrap();
    assert_eq!(short.ends(), NOW.plus(HOUR));
    let late = verify(&authority, &short, NOW.plus(HOUR * 2), "");
    assert!(late.contains("expired"), "{late}");
    let ended = authority.leaf("api.demo.test", NOW.plus(HOUR)).err();
    assert!(matches!(ended, Some(CryptoError::AuthorityExpired { .. })));
}

#[test]
fn the_certificates_say_what_they_are_for_and_nothing_more() {
    let authority = authority(HOUR);
    let ca = text(&authority.ca_pem());
    for part in [
        "Subject: CN = Marque run CA run_01JT",
        "Not Before: Nov 18 11:01:40 2026 GMT",
        "Not After : Nov 18 12:06:40 2026 GMT",
        "CA:TRUE, pathlen:0",
        "Certificate Sign, CRL Sign",
    ] {
        assert!(ca.contains(part), "no `{part}` in {ca}");
    }
    let leaf = text(&authority.leaf("api.demo.test", NOW).unwrap().chain_pem());
    for part in [
        "Issuer: CN = Marque run CA run_01JT",
        "CA:FALSE",
        "Digital Signature",
        "TLS Web Server Authentication",
        "DNS:api.demo.test",
        "Authority Key Identifier",
    ] {
        assert!(leaf.contains(part), "no `{part}` in {leaf}");
    }
}

#[test]
fn leaves_share_a_key_but_never_a_serial_number() {
    let authority = authority(HOUR);
    let one = authority.leaf("one.test", NOW).unwrap();
    let other = authority.leaf("two.test", NOW).unwrap();
    assert_eq!(one.expose_key_pem(), other.expose_key_pem());
    let serial = |leaf: &Leaf| {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("it.pem"), leaf.chain_pem()).unwrap();
        openssl(dir.path(), "x509 -noout -serial -in it.pem")
    };
    assert_ne!(serial(&one), serial(&other));
}

#[test]
fn the_exported_key_is_the_one_in_the_certificate() {
    let leaf = authority(HOUR).leaf("api.demo.test", NOW).unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("leaf.pem"), leaf.chain_pem()).unwrap();
    fs::write(dir.path().join("leaf.key"), leaf.expose_key_pem().as_bytes()).unwrap();
    let certified = openssl(dir.path(), "x509 -noout -pubkey -in leaf.pem");
    let held = openssl(dir.path(), "pkey -pubout -in leaf.key");
    assert!(held.contains("BEGIN PUBLIC KEY"), "{held}");
    assert_eq!(certified, held);
}

#[test]
fn a_host_that_is_no_name_and_no_address_gets_no_certificate() {
    let authority = authority(HOUR);
    let long = "a".repeat(64);
    let bad = [
        "",
        ".",
        "*.demo.test",
        "demo.test.",
        "de mo.test",
        "demo.test:443",
        "[::1]",
        "a..b",
        "-a-.test-",
        "1.2.3.256",
        "démo.test",
        "a\0b",
        "http://a",
        &long,
    ];
    for host in bad {
        let error = authority.leaf(host, NOW).err();
        assert!(matches!(error, Some(CryptoError::BadHost(_))), "`{host}` got a certificate");
    }
}

#[test]
fn a_label_that_would_not_print_safely_is_refused() {
    for label in ["", "a b", "a/b", "a\nb", "é", &"a".repeat(49)] {
        assert!(InterceptAuthority::create(label, NOW, HOUR).is_err(), "`{label}` was taken");
    }
}

#[test]
fn the_ends_of_time_are_survived() {
    for now in [Timestamp::from_millis(0), Timestamp::from_millis(1), Timestamp::MAX] {
        let authority = InterceptAuthority::create("run", now, HOUR).unwrap();
        assert!(authority.ca_pem().starts_with("-----BEGIN CERTIFICATE-----\n"));
    }
}

#[test]
fn another_server_signs_under_the_same_authority() {
    let authority = authority(HOUR);
    let restored = InterceptAuthority::restore(&authority.expose().unwrap()).unwrap();
    assert_eq!(restored.ca_pem(), authority.ca_pem());
    let dir = tempfile::tempdir().unwrap();
    let leaf = restored.leaf("api.demo.test", NOW).unwrap();
    fs::write(dir.path().join("ca.pem"), authority.ca_pem()).unwrap();
    fs::write(dir.path().join("leaf.pem"), leaf.chain_pem()).unwrap();
    let at = NOW.as_millis() / 1000;
    let told = openssl(dir.path(), &format!("verify -attime {at} -CAfile ca.pem leaf.pem"));
    assert!(told.contains("leaf.pem: OK"), "{told}");
    assert!(InterceptAuthority::restore(&Secret::from_string("run\n1".to_owned())).is_err());
}
