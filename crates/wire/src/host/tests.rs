use super::*;

fn host(text: &str) -> Result<String, BadHost> {
    Host::parse(text).map(|host| host.to_string())
}

#[test]
fn a_host_has_one_spelling() {
    assert_eq!(host("api.github.com"), Ok("api.github.com".into()));
    assert_eq!(host("API.GitHub.com"), Ok("api.github.com".into()));
    assert_eq!(host("xn--bcher-kva.example"), Ok("xn--bcher-kva.example".into()));
    assert_eq!(host("localhost"), Ok("localhost".into()));
    assert_eq!(host("3com.com"), Ok("3com.com".into()));
    assert_eq!(host("0xbeef.example"), Ok("0xbeef.example".into()));
    assert_eq!(host("192.0.2.7"), Ok("192.0.2.7".into()));
    assert_eq!(host("[2001:DB8:0::1]"), Ok("[2001:db8::1]".into()));
}

#[test]
fn threat_76_only_plain_address_literals_are_addresses() {
    let loose = [
        "0",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0X7F.0.0.1",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.1.",
        "127.0.0",
        "1.2.3.4.5",
        "256.1.1.1",
        "a.1",
        "example.0x1",
        "0x",
        "127.0.0.0x1",
        "1.2.3.",
    ];
    for text in loose {
        assert_eq!(host(text), Err(BadHost::LooseIpv4), "{text}");
    }
    let ipv6 = ["[::1", "[]", "[::1%lo]", "[fe80::1%25eth0]", "[v1.x]", "[127.0.0.1]", "[::1]x"];
    for text in ipv6 {
        assert_eq!(host(text), Err(BadHost::BadIpv6), "{text}");
    }
    assert!(host("::1").is_err());
    assert_eq!(host("[::ffff:127.0.0.1]"), Ok("[::ffff:127.0.0.1]".into()));
}

#[test]
fn threat_76_idn_dots_and_other_unicode_are_not_hosts() {
    for text in ["127\u{3002}0.0.1", "a\u{ff0e}test", "a\u{ff61}b", "b\u{fc}cher.test", "\u{2460}"]
    {
        assert_eq!(host(text), Err(BadHost::NotAscii), "{text}");
    }
}

#[test]
fn threat_83_lookalikes_of_a_host_are_refused_or_different() {
    let allowed = Host::parse("api.github.com");
    assert_ne!(Host::parse("api.github.com.evil.io"), allowed);
    assert_ne!(Host::parse("xn--api-github.com"), allowed);
    assert_eq!(Host::parse("API.GITHUB.COM"), allowed);
    let refused = [
        ("api.github.com.", BadHost::TrailingDot),
        ("evil.io#api.github.com", BadHost::BadLabel),
        ("evil.io/api.github.com", BadHost::BadLabel),
        ("evil.io\\api.github.com", BadHost::BadLabel),
        ("evil.io?api.github.com", BadHost::BadLabel),
        ("api.github.com@evil.io", BadHost::UserInformation),
        ("api.github.com:443@evil.io", BadHost::UserInformation),
        ("api%2egithub.com", BadHost::BadLabel),
        ("api..github.com", BadHost::BadLabel),
        (".github.com", BadHost::BadLabel),
        ("-api.github.com", BadHost::BadLabel),
        ("api-.github.com", BadHost::BadLabel),
        ("api_v1.github.com", BadHost::BadLabel),
        ("*.github.com", BadHost::BadLabel),
        (" api.github.com", BadHost::BadLabel),
        ("api.github.com,evil.io", BadHost::BadLabel),
        ("", BadHost::Empty),
    ];
    for (text, reason) in refused {
        assert_eq!(host(text), Err(reason), "{text}");
    }
}

#[test]
fn names_and_labels_have_bounds() {
    let label = "a".repeat(63);
    assert!(host(&format!("{label}.test")).is_ok());
    assert_eq!(host(&format!("{label}a.test")), Err(BadHost::TooLong));
    let name = [label.as_str(); 4].join(".");
    assert_eq!(host(&name), Err(BadHost::TooLong));
    assert!(host(&name[2..]).is_ok());
}

#[test]
fn threat_75_an_authority_is_one_host_and_one_port() {
    let parse = |text: &str| Authority::parse(text).map(|authority| authority.to_string());
    assert_eq!(parse("API.test:443"), Ok("api.test:443".into()));
    assert_eq!(parse("[::1]:65535"), Ok("[::1]:65535".into()));
    assert_eq!(parse("api.test"), Err(BadHost::NoPort));
    assert_eq!(parse("[::1]"), Err(BadHost::NoPort));
    assert_eq!(parse("user@api.test:443"), Err(BadHost::UserInformation));
    assert_eq!(parse(":443"), Err(BadHost::Empty));
    for port in ["", "0", "0443", "+443", "-1", "65536", "443,80", "443/", "443 ", "http", "4\r\n"]
    {
        assert_eq!(parse(&format!("api.test:{port}")), Err(BadHost::BadPort), "{port}");
    }
}

#[test]
fn the_port_of_a_host_field_defaults_to_that_of_the_scheme() {
    let port = |text| Authority::parse_or(text, 443).map(|authority| authority.port);
    assert_eq!(port("api.test"), Ok(443));
    assert_eq!(port("[2001:db8::1]"), Ok(443));
    assert_eq!(port("api.test:8443"), Ok(8443));
    assert_eq!(port("api.test:"), Err(BadHost::BadPort));
}

#[test]
fn threat_87_line_breaks_are_in_no_host() {
    for text in ["a.test\r\nX: y", "a.test\n", "a\0.test", "a.test\t"] {
        assert_eq!(host(text), Err(BadHost::BadLabel), "{text:?}");
    }
}
