//! The list of targets. To add one: a file with a `check`, a `mod` line and a row here, a corpus
//! and a file of a few lines in `fuzz/`, and a row in `docs/security/fuzzing.md`.

mod dns;
mod fetch;
mod greeting;
mod head;
mod http1;
mod http2;
mod jose;
mod lfs;
mod note;
mod oauth;
mod object;
mod policy;
mod proof;
mod push;
mod record;
mod scrub;
mod secret;
mod target;
mod unpack;
mod word;

/// One target.
pub struct Target {
    /// Its name: that of its corpus and of its binary.
    pub name: &'static str,
    /// How many mutations the smoke run makes: a second or two without optimisation.
    pub mutations: u32,
    /// Panics where a promise is broken.
    pub check: fn(&[u8]),
}

const fn row(name: &'static str, mutations: u32, check: fn(&[u8])) -> Target {
    Target { name, mutations, check }
}

/// Every target, by name.
pub const TARGETS: [Target; 20] = [
    row("dns", 80_000, dns::check),
    row("fetch", 40_000, fetch::check),
    row("greeting", 80_000, greeting::check),
    row("head", 40_000, head::check),
    row("http1", 40_000, http1::check),
    row("http2", 40_000, http2::check),
    row("jose", 16_000, jose::check),
    row("lfs", 40_000, lfs::check),
    row("note", 8_000, note::check),
    row("oauth", 40_000, oauth::check),
    row("object", 40_000, object::check),
    row("policy", 1_600, policy::check),
    row("proof", 8_000, proof::check),
    row("push", 40_000, push::check),
    row("record", 40_000, record::check),
    row("scrub", 4_000, scrub::check),
    row("secret", 16_000, secret::check),
    row("target", 80_000, target::check),
    row("unpack", 4_000, unpack::check),
    row("word", 40_000, word::check),
];

/// The target of that name.
///
/// # Panics
/// Where there is none.
pub fn target(name: &str) -> &'static Target {
    let found = TARGETS.iter().find(|target| target.name == name);
    found.unwrap_or_else(|| unreachable!("there is no target `{name}`"))
}
