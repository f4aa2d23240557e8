use std::path::Path;

use super::{Config, Failure};

fn refused(text: &str) -> Failure {
    Config::parse(text).err().unwrap().in_file(Path::new("config.toml"), text)
}

#[test]
fn an_empty_file_is_the_default_and_the_default_parses_back() {
    assert_eq!(Config::parse("").ok(), Some(Config::default()));
    let printed = toml::to_string(&Config::default()).unwrap();
    assert_eq!(Config::parse(&printed).ok(), Some(Config::default()));
}

#[test]
fn every_key_there_is_can_be_set() {
    let every = toml::to_string(&Config::default().as_table()).unwrap();
    assert!(Config::parse(&every).is_ok(), "{every}");
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_the_word_that_was_meant() {
    let failure = refused("[run]\nmax_ttl = \"8h\"\n  trust_flor = 3\n");
    assert_eq!(failure.message, "config.toml:3:3: unknown key `trust_flor`");
    assert_eq!(failure.hint.as_deref(), Some("did you mean `trust_floor`?"));
    let failure = refused("colour = 1");
    assert_eq!(
        failure.hint.as_deref(),
        Some("known here: approval, database, git, oauth, policy, run, server")
    );
}

#[test]
fn a_wrong_value_is_refused_with_its_place() {
    let failure = refused("[run]\nmax_ttl = \"8 hours\"\n");
    assert!(failure.message.starts_with("config.toml:2:11: `8 hours` is not a span"), "{failure}");
}

// threat 98
#[test]
fn the_proxy_door_opens_on_loopback_only() {
    assert!(Config::parse("[server]\nproxy_listen = \"127.0.0.1:3128\"").is_ok());
    assert!(Config::parse("[server]\nproxy_listen = \"0.0.0.0:3128\"").is_err());
    assert!(Config::parse("[server]\nproxy_address = \"127.0.0.1:3128\"").is_ok());
    assert!(Config::parse("[server]\nproxy_address = \"192.0.2.1:3128\"").is_err());
}

#[test]
fn bounds_are_held() {
    for wrong in [
        "run.max_chain_depth = 9",
        "run.max_chain_depth = 0",
        "run.trust_floor = 101",
        "run.default_ttl = \"2d\"",
        "server.linger = \"11m\"",
        "server.trust_domain = \"Not a domain\"",
        "database.replica = \"one two\"",
        "database.replica = \"\"",
        "database.url_file = \"url\"",
    ] {
        assert!(Config::parse(wrong).is_err(), "`{wrong}` must be refused");
    }
}

/// Whatever is taken, printed, is taken again as the same; whatever is refused has a place in it.
fn any_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Config::parse(text) {
        Ok(config) => {
            let printed = toml::to_string(&config).unwrap();
            assert_eq!(Config::parse(&printed).ok(), Some(config), "{printed}");
        }
        Err(wrong) => {
            let failure = wrong.in_file(Path::new("config.toml"), text);
            assert!(failure.message.starts_with("config.toml:"), "{failure}");
        }
    }
}

#[test]
fn any_text_is_taken_as_it_prints_or_refused() {
    marque_fuzzkit::smoke("app-config", 2_000, any_text);
}

// threat 159: what does not end is told so, in few words.
#[test]
fn a_file_made_to_break_its_reader_is_refused() {
    let keys: Vec<String> = (0..20_000).map(|key| format!("k{key} = {key}")).collect();
    for text in [
        format!("run = {}", "[".repeat(100_000)),
        format!("run = {}", "{ a = ".repeat(100_000)),
        format!("{}a = 1", "a.".repeat(50_000)),
        format!("[{}a]", "a.".repeat(50_000)),
        format!("[run]\nmax_ttl = {}", "9".repeat(100_000)),
        "[run]\ntrust_floor = 1e400".to_owned(),
        keys.join("\n"),
    ] {
        let failure = refused(&text);
        assert!(failure.message.len() < 2_048, "{} bytes of message", failure.message.len());
    }
}
