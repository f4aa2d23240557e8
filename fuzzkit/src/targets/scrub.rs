//! The search for what was injected: no spelling that is listed comes through, wherever the stream
//! is cut and whatever surrounds it, and what is clean comes through as it is.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use marque_gateway::fuzzing::{scrub, scrub_value};

use crate::pieces::pieces;

/// A spelling of a value, as `docs/concepts/scrubbing.md` lists them.
const SPELLINGS: [fn(&str) -> String; 8] = [
    str::to_owned,
    str::to_ascii_uppercase,
    |value| each(value, |byte| format!("%{byte:02X}")),
    |value| each(value, |byte| format!("%25{byte:02x}")),
    |value| each(value, |byte| format!("\\u{byte:04x}")),
    |value| each(value, |byte| format!("\\x{byte:02X}")),
    |value| STANDARD_NO_PAD.encode(value),
    |value| URL_SAFE_NO_PAD.encode(value),
];
const SHORTEST_BYTES: usize = 6;
const LONGEST_BYTES: usize = 48;
/// Of three bytes in base64 all bits are in their four characters.
const BASE64_FROM: usize = 6;

/// The second byte says how long the value is, the rest is the value and what stands around it.
pub(super) fn check(data: &[u8]) {
    let [seed, length, spelling, rest @ ..] = data else { return };
    let length = SHORTEST_BYTES + usize::from(*length) % (LONGEST_BYTES - SHORTEST_BYTES);
    let Some((value, around)) = rest.split_at_checked(length) else { return };
    // What is injected is printable: a token, a passphrase, a header.
    let Some(value) = std::str::from_utf8(value).ok().filter(|value| is_printable(value)) else {
        return;
    };
    same_whatever_the_cuts(value, around, *seed);
    let spelling = usize::from(*spelling) % SPELLINGS.len();
    // In base64 what is left of a value that is no multiple of three shares bits with what follows.
    let whole = if spelling >= BASE64_FROM { value.len() / 3 * 3 } else { value.len() };
    if let Some(value) = value.get(..whole).filter(|value| value.len() >= SHORTEST_BYTES) {
        never_comes_through(value, &SPELLINGS[spelling](value), around, *seed);
    }
}

fn is_printable(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_graphic())
}

fn same_whatever_the_cuts(value: &str, text: &[u8], seed: u8) {
    let values = [value.as_bytes()];
    let whole = scrub(&values, &[text], |_| false);
    let cut = scrub(&values, &pieces(text, seed), |_| false);
    assert_eq!(text_of(&whole), text_of(&cut), "what comes through depends on the cuts");
    assert_eq!(text_of(&scrub_value(&values, text)), text_of(&whole), "a field is another");
    assert_eq!(whole.len(), text.len(), "the length is not true any more");
    let changed = whole.iter().zip(text).filter(|(out, came)| out != came);
    assert!(changed.clone().all(|(out, _)| *out == b'*'), "something else was changed");
    // A stream that is waited for lets a few bytes pass, and never more than the others would.
    let awaited = scrub(&values, &pieces(text, seed), |place| place % 3 == 0);
    assert_eq!(awaited.len(), text.len());
    let few = awaited.iter().zip(&whole).filter(|(out, whole)| out != whole).count();
    assert!(few <= 3 * pieces(text, seed).len(), "too much passed while it was waited for");
}

fn never_comes_through(value: &str, spelled: &str, around: &[u8], seed: u8) {
    let (before, after) = around.split_at(around.len() / 2);
    // What ends in an escape makes something else of the first character.
    let before = [before, b"\n"].concat();
    let text = [&before, spelled.as_bytes(), after].concat();
    let out = scrub(&[value.as_bytes()], &pieces(&text, seed), |_| false);
    let stays = &out[before.len()..before.len() + spelled.len()];
    assert_eq!(text_of(stays), "*".repeat(spelled.len()), "of {value:?} this comes through");
}

fn each(value: &str, spelled: impl Fn(u8) -> String) -> String {
    value.bytes().map(spelled).collect()
}

fn text_of(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
