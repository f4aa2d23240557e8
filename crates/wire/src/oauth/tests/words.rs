//! Issuers, resources, scopes and hashes: one spelling each.

use super::*;

#[test]
fn an_issuer_is_a_plain_https_url() {
    for text in [
        "https://id.acme.example",
        "https://id.acme.example/",
        "https://id.acme.example/tenant/a",
        "https://id.acme.example:8443",
        "https://[2001:db8::1]/a",
        "http://127.0.0.1:7070",
        "http://[::1]:7070/a",
        "http://localhost:7070",
    ] {
        assert_eq!(Issuer::parse(text).unwrap().as_str(), text);
    }
    for (text, problem) in [
        ("http://id.acme.example", BadUri::Scheme),
        ("http://localhost.evil.example", BadUri::Scheme),
        ("HTTPS://id.acme.example", BadUri::Scheme),
        ("//id.acme.example", BadUri::Scheme),
        ("id.acme.example", BadUri::Scheme),
        ("https://ID.acme.example", BadUri::Host),
        ("https://id.acme.example:443", BadUri::Host),
        ("https://id.acme.example:0443", BadUri::Host),
        ("https://user@id.acme.example", BadUri::Host),
        ("https://user:secret@id.acme.example", BadUri::Host),
        ("https://id.acme.example.", BadUri::Host),
        ("https://", BadUri::Host),
        ("https:///a", BadUri::Host),
        ("https://0x7f.1", BadUri::Host),
        ("https://id.acme.example?a=1", BadUri::Tail),
        ("https://id.acme.example/#a", BadUri::Tail),
        ("https://id.acme.example#", BadUri::Tail),
        ("https://id.acme.example/a b", BadUri::Path),
        ("https://id.acme.example/\u{e9}", BadUri::Path),
        ("https://id.acme.example/a\\b", BadUri::Path),
        ("https://id.acme.example/../a", BadUri::Path),
        ("https://id.acme.example/a/.", BadUri::Path),
        ("https://id.acme.example/%2E%2e/a", BadUri::Path),
        ("https://id.acme.example/%4", BadUri::Path),
        ("https://id.acme.example/a\n", BadUri::Path),
    ] {
        assert_eq!(Issuer::parse(text), Err(problem), "{text}");
    }
    let long = format!("https://a.example/{}", "a".repeat(1024));
    assert_eq!(Issuer::parse(&long), Err(BadUri::TooLong));
    assert!(Resource::parse("https://a.example/x?tenant=1").is_ok());
    assert_eq!(Resource::parse("https://a.example/x#y"), Err(BadUri::Tail));
}

// threat 40: nothing is folded, matched or widened.
#[test]
fn threat_40_a_scope_is_a_set_of_exact_names() {
    let scope = |text: &str| Scope::parse(text);
    let read = scope("invoices:read adjustments:write").unwrap();
    assert_eq!(read.to_string(), "adjustments:write invoices:read", "printed in one order");
    assert!(scope("invoices:read").unwrap().is_within(&read));
    for other in ["Invoices:read", "invoices:rea", "invoices:read2", "invoices", "\u{456}nvoices"] {
        let within = scope(other).is_ok_and(|other| other.is_within(&read));
        assert!(!within, "{other}");
    }
    let shared = scope("invoices:read payments:write").unwrap().intersection(&read);
    assert_eq!(shared, scope("invoices:read").unwrap());
    assert!(scope("payments:write").unwrap().intersection(&read).is_empty());
    for (text, problem) in [
        ("*", BadScope::Pattern),
        ("invoices:*", BadScope::Pattern),
        ("a a", BadScope::Twice),
        ("", BadScope::Name),
        (" a", BadScope::Name),
        ("a ", BadScope::Name),
        ("a  b", BadScope::Name),
        ("a\tb", BadScope::Name),
        ("a\"b", BadScope::Name),
        ("a\\b", BadScope::Name),
        ("\u{e9}", BadScope::Name),
    ] {
        assert_eq!(scope(text), Err(problem), "{text:?}");
    }
    assert_eq!(scope(&"a".repeat(129)), Err(BadScope::TooLong));
    let many: Vec<String> = (0..129).map(|name| format!("s{name}")).collect();
    assert_eq!(scope(&many.join(" ")), Err(BadScope::TooLong));
    assert!(scope(&many[..128].join(" ")).is_ok());
}

#[test]
fn a_hash_in_a_claim_has_one_spelling() {
    let digest = marque_domain::Digest::from_bytes([0xa5; 32]);
    let printed = hash_name::print(&digest);
    assert_eq!(printed.len(), hash_name::BYTES);
    assert_eq!(hash_name::read(&printed), Some(digest));
    for text in [
        printed.replace("sha-256:", ""),
        printed.replace("sha-256:", "sha256:"),
        printed.replace("sha-256:", "SHA-256:"),
        format!("{printed}="),
        digest.to_string(),
        String::new(),
    ] {
        assert_eq!(hash_name::read(&text), None, "{text}");
    }
}
