use std::time::Duration;

use marque_domain::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

use super::{is_of, must_be_usable};

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    Authority { pem, issuer: Issuer::new(params, key) }
}

fn leaf(by: &Authority, names: Vec<SanType>, usage: ExtendedKeyUsagePurpose) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.subject_alt_names = names;
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate().unwrap();
    params.signed_by(&key, &by.issuer).unwrap().der().to_vec()
}

// RFC 8705 section 2.1
#[test]
fn a_certificate_is_its_authoritys_and_has_exactly_that_name() {
    let (now, client) =
        (Timestamp::from_millis(1_796_000_000_000), ExtendedKeyUsagePurpose::ClientAuth);
    let (own, other) = (authority(), authority());
    let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
    let uri = |name: &str| SanType::URI(name.try_into().unwrap());
    let id = "spiffe://acme.test/closer";
    let good = leaf(&own, vec![dns("closer.test"), uri(id)], client.clone());
    assert!(is_of(&good, (&own.pem, "closer.test"), now));
    assert!(is_of(&good, (&own.pem, id), now));

    for name in ["Closer.test", "closer.test.", "loser.test", "test", "spiffe://acme.test/close"] {
        assert!(!is_of(&good, (&own.pem, name), now), "{name}");
    }
    assert!(!is_of(&good, (&other.pem, "closer.test"), now), "another authority's");
    let late = Timestamp::MAX.minus(Duration::from_secs(1));
    assert!(!is_of(&good, (&own.pem, "closer.test"), late), "it is over by then");
    let wild = leaf(&own, vec![dns("*.test")], client);
    assert!(!is_of(&wild, (&own.pem, "closer.test"), now), "a wildcard names nobody");
    let server = leaf(&own, vec![dns("closer.test")], ExtendedKeyUsagePurpose::ServerAuth);
    assert!(!is_of(&server, (&own.pem, "closer.test"), now), "it is not for clients");
    for bad in [&b""[..], b"no certificate", &good[..good.len() - 1]] {
        assert!(!is_of(bad, (&own.pem, "closer.test"), now));
    }
}

#[test]
fn an_authority_and_a_name_are_usable_or_refused_when_they_are_given() {
    let own = authority();
    assert!(must_be_usable(&own.pem, "closer.test").is_ok());
    for name in ["", "*.test", "a b", &"a".repeat(600)] {
        assert!(must_be_usable(&own.pem, name).is_err(), "{name}");
    }
    assert!(must_be_usable("no certificate", "closer.test").is_err());
}
