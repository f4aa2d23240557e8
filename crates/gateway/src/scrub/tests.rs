use std::ops::Range;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::search::{Judge, Verdict, search};
use super::{Needles, Scrubber, scrub_value};

const SECRET: &str = "ghp_Zk8+w/Qx7Tt2\"Lm9~Rf4\\";

fn needles(values: &[&str]) -> Arc<Needles> {
    let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
    Arc::new(Needles::none().and(&values))
}

/// What a stream of those chunks comes out as, and how many spellings were found in it.
fn scrubbed<'a>(
    needles: &Arc<Needles>,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<u8>, usize) {
    let mut scrubber = Scrubber::new(Arc::clone(needles));
    let (mut data, mut found) = (Vec::new(), 0);
    for chunk in chunks {
        let out = scrubber.feed(Bytes::copy_from_slice(chunk));
        data.extend_from_slice(&out.data);
        found += out.found;
    }
    let out = scrubber.finish();
    data.extend_from_slice(&out.data);
    (data, found + out.found)
}

fn each(text: &str, spelled: impl Fn(u8) -> String) -> String {
    text.bytes().map(spelled).collect()
}

fn escaped(text: &str, marks: &str, spelled: impl Fn(u8) -> String) -> String {
    each(text, |byte| match char::from(byte) {
        mark if marks.contains(mark) => spelled(byte),
        other => other.to_string(),
    })
}

fn percent(byte: u8) -> String {
    format!("%{byte:02X}")
}

fn backslash(byte: u8) -> String {
    format!("\\{}", char::from(byte))
}

/// Whole spellings: all of each is redacted.
fn spellings() -> Vec<(&'static str, String)> {
    let query = escaped(SECRET, "+/\"~\\", percent);
    let json = escaped(SECRET, "\"\\/", backslash);
    let at_start = |alphabet: &dyn Fn(&[u8]) -> String| alphabet(&SECRET.as_bytes()[..24]);
    vec![
        ("as it is", SECRET.to_owned()),
        ("upper case", SECRET.to_ascii_uppercase()),
        ("lower case", SECRET.to_ascii_lowercase()),
        ("percent, where needed", query.clone()),
        ("percent, everywhere", each(SECRET, percent)),
        ("percent, lower case", each(SECRET, percent).to_ascii_lowercase()),
        ("percent, twice", query.replace('%', "%25")),
        ("percent in json", query.replace('%', "\\u0025")),
        ("json", json.clone()),
        ("json, every character", each(SECRET, |byte| format!("\\u{byte:04x}"))),
        ("json, upper case digits", each(SECRET, |byte| format!("\\u{byte:04X}"))),
        ("json in json", escaped(&json, "\"\\", backslash)),
        ("json in a query", escaped(&json, "\"\\/", percent)),
        ("bytes", each(SECRET, |byte| format!("\\x{byte:02x}"))),
        ("shell", escaped(SECRET, "_+/\"~\\", backslash)),
        ("base64", at_start(&|bytes| STANDARD.encode(bytes))),
        ("base64, for urls", at_start(&|bytes| URL_SAFE_NO_PAD.encode(bytes))),
        ("base64 in json", at_start(&|bytes| STANDARD.encode(bytes)).replace('/', "\\/")),
        ("base64 in a query", at_start(&|bytes| each(&STANDARD.encode(bytes), percent))),
    ]
}

// threat 81
#[test]
fn every_spelling_is_found_wherever_the_stream_is_split() {
    let needles = needles(&[SECRET, &SECRET[..24]]);
    for (name, spelling) in spellings() {
        let text = format!("{{\"echo\":\"{spelling}\"}}");
        let expected = format!("{{\"echo\":\"{}\"}}", "*".repeat(spelling.len()));
        for split in 0..=text.len() {
            let (before, after) = text.as_bytes().split_at(split);
            let (data, found) = scrubbed(&needles, [before, after]);
            let data = String::from_utf8_lossy(&data);
            assert_eq!((&*data, found), (&*expected, 1), "{name}, split at {split}");
        }
        let (data, found) = scrubbed(&needles, text.as_bytes().chunks(1));
        assert_eq!((&*String::from_utf8_lossy(&data), found), (&*expected, 1), "{name}, by byte");
        let value = scrub_value(&needles, text.as_bytes()).expect("it is found in a field");
        assert_eq!(String::from_utf8_lossy(&value), expected, "{name}, in a field");
    }
}

// threat 81
#[test]
fn base64_of_something_longer_is_found_at_every_alignment() {
    let needles = needles(&[SECRET]);
    for before in ["", "u", "us", "user:", "Bearer "] {
        for after in ["", "\n", "\"}", "..."] {
            let encoded = STANDARD.encode(format!("{before}{SECRET}{after}"));
            let value = scrub_value(&needles, encoded.as_bytes()).expect("it is found");
            // RFC 4648 §4: what stays of the secret are the bits it shares with its neighbours.
            let core = core(before.len(), SECRET.len());
            let mut expected = encoded.into_bytes();
            expected[core].fill(b'*');
            assert_eq!(String::from_utf8_lossy(&value), String::from_utf8_lossy(&expected));
        }
    }
}

/// Which characters of base64 hold nothing but the `len` bytes that `before` others precede.
fn core(before: usize, len: usize) -> Range<usize> {
    (8 * before).div_ceil(6)..8 * (before + len) / 6
}

// threat 81: both halves of what basic authentication sends.
#[test]
fn each_value_is_found_and_the_longest_at_one_place_is_redacted() {
    let needles = needles(&["hunter2!", "me:hunter2!", "Basic bWU6aHVudGVyMiE="]);
    let text = b"hunter2! me:hunter2! BASIC bWU6aHVudGVyMiE= bWU6aHVudGVyMiE=.";
    let (data, found) = scrubbed(&needles, [&text[..]]);
    let expected = "******** *********** ********************** **************E=.";
    assert_eq!((&*String::from_utf8_lossy(&data), found), (expected, 4));
}

#[test]
fn values_that_overlap_are_redacted_from_the_first_byte_to_the_last() {
    let needles = needles(&["abcdefgh", "efghijkl", "ijklmnop"]);
    for size in 1..16 {
        let (data, found) = scrubbed(&needles, b"-abcdefghijklmnop-".chunks(size));
        assert_eq!((&*String::from_utf8_lossy(&data), found), ("-****************-", 1));
    }
}

#[test]
fn a_clean_chunk_passes_at_once_and_uncopied() {
    let mut scrubber = Scrubber::new(needles(&[SECRET]));
    for event in ["data: {\"delta\":\"hello\"}\n\n", "data: 100\\n%\n\n", "data: [DONE]\n\n"] {
        let chunk = Bytes::from(event);
        let out = scrubber.feed(chunk.clone());
        assert_eq!((out.data.as_ptr(), out.data.len()), (chunk.as_ptr(), chunk.len()));
        assert_eq!(out.found, 0);
    }
    assert!(scrubber.finish().data.is_empty());
}

#[test]
fn only_what_may_be_a_beginning_is_held_and_it_passes_once_it_is_none() {
    let beginnings = ["ghp_", "GHP_Zk8", "%67h", "\\u0067%68", "gh%", "g\\u00", "Z2hwX1pr"];
    for beginning in beginnings {
        let mut scrubber = Scrubber::new(needles(&[SECRET]));
        let out = scrubber.feed(format!("clean {beginning}").into());
        assert_eq!(&out.data[..], b"clean ", "all but `{beginning}` passes");
        let out = scrubber.feed(Bytes::from_static(b" is not it"));
        assert_eq!(out.data, format!("{beginning} is not it"), "it passes whole");
        assert_eq!(out.found, 0);
        scrubber.feed(format!("clean {beginning}").into());
        assert_eq!(scrubber.finish().data, beginning, "the end gives it out");
    }
}

#[test]
fn what_is_held_is_no_longer_than_the_longest_spelling() {
    let needles = needles(&[SECRET]);
    let mut scrubber = Scrubber::new(Arc::clone(&needles));
    let (mut fed, mut passed) = (0, 0);
    let unit = each(&each(SECRET, percent), |byte| format!("\\u{byte:04x}"));
    for chunk in unit.as_bytes().repeat(20).chunks(7) {
        fed += chunk.len();
        passed += scrubber.feed(Bytes::copy_from_slice(chunk)).data.len();
        assert!(fed - passed <= SECRET.len() * 36);
    }
}

#[test]
fn a_short_value_is_not_searched_for() {
    let needles = needles(&["abcde", ""]);
    assert!(needles.is_empty() && needles.holds(b"abcde"));
    assert!(scrub_value(&needles, b"abcde").is_none());
}

#[test]
fn the_oldest_value_is_forgotten_beyond_the_bound() {
    let values: Vec<String> = (0..70).map(|number| format!("secret-{number:02}")).collect();
    let needles = values.iter().fold(Needles::none(), |all, one| all.and(&[one.as_bytes()]));
    let held = values.iter().filter(|value| needles.holds(value.as_bytes()));
    assert_eq!(held.count(), 64);
    assert!(needles.holds(b"secret-69") && !needles.holds(b"secret-05"));
}

#[test]
fn a_character_beyond_ascii_is_found_in_bytes_and_in_json() {
    let needles = needles(&["pässwörd"]);
    for spelling in ["pässwörd", "p\\u00e4ssw\\u00F6rd", "p%C3%A4ssw%c3%b6rd"] {
        let value = scrub_value(&needles, spelling.as_bytes()).expect("it is found");
        assert_eq!(value, vec![b'*'; spelling.len()], "`{spelling}`");
    }
}

/// Each character in one of the ways it can be escaped; `how` says which.
fn respelled(text: &[u8], how: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let (mut spelled, mut starts) = (Vec::new(), Vec::new());
    for (byte, how) in text.iter().zip(how.iter().cycle()) {
        starts.push(spelled.len());
        let escape = match how % 8 {
            0 => percent(*byte),
            1 => percent(*byte).to_ascii_lowercase(),
            2 => format!("\\u{byte:04x}"),
            3 => format!("\\x{byte:02X}"),
            4 => format!("%25{byte:02x}"),
            5 => format!("\\\\u{byte:04x}"),
            6 if byte.is_ascii_punctuation() => backslash(*byte),
            _ => char::from(*byte).to_string(),
        };
        spelled.extend_from_slice(escape.as_bytes());
    }
    starts.push(spelled.len());
    (spelled, starts)
}

fn in_chunks<'a>(mut text: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    for size in sizes.iter().cycle() {
        if text.is_empty() {
            break;
        }
        let (chunk, rest) = text.split_at(text.len().min(*size));
        chunks.push(chunk);
        text = rest;
    }
    chunks
}

fn filler() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>().prop_filter("no escape", |byte| !b"%\\".contains(byte)), 0..300)
}

proptest! {
    // threat 81
    #[test]
    fn a_secret_in_any_spelling_is_redacted_and_all_else_is_as_it_was(
        secret in "[a-zA-Z0-9][!-~]{11,60}",
        how in vec(any::<u8>(), 1..80),
        base64 in proptest::option::of((0_usize..3, any::<bool>())),
        before in filler(),
        after in filler(),
        sizes in vec(1_usize..90, 1..9),
    ) {
        let (meant, core) = match base64 {
            None => (secret.clone().into_bytes(), 0..secret.len()),
            Some((offset, is_for_urls)) => {
                let longer = format!("{}{secret}!", "x".repeat(offset));
                let encoded = if is_for_urls {
                    URL_SAFE_NO_PAD.encode(longer)
                } else {
                    STANDARD.encode(longer)
                };
                (encoded.into_bytes(), core(offset, secret.len()))
            }
        };
        let (spelled, starts) = respelled(&meant, &how);
        let text = [&before[..], &spelled, &after].concat();
        let mut expected = text.clone();
        expected[before.len() + starts[core.start]..before.len() + starts[core.end]].fill(b'*');
        let (data, found) = scrubbed(&needles(&[&secret]), in_chunks(&text, &sizes));
        prop_assert_eq!(String::from_utf8_lossy(&data), String::from_utf8_lossy(&expected));
        prop_assert_eq!(found, 1);
    }

    #[test]
    fn clean_bytes_pass_as_they_are(
        text in vec(any::<u8>(), 0..2_000),
        sizes in vec(1_usize..400, 1..9),
    ) {
        let (data, found) = scrubbed(&needles(&[SECRET]), in_chunks(&text, &sizes));
        prop_assert_eq!((data, found), (text, 0));
    }

    // The tables rule out no start that a reading from everywhere would find.
    #[test]
    fn judging_few_starts_finds_what_judging_all_of_them_finds(
        values in vec("[aB%\\\\u5cC2+]{6,14}", 1..4),
        pieces in vec(
            select(vec!["a", "b", "%", "\\", "u005c", "%5C", "\\\\", "%25", "5c", "ABab", "2"]),
            0..60,
        ),
        quoted in 0_usize..60,
    ) {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let needles = needles(&values);
        let mut pieces = pieces;
        pieces.insert(quoted.min(pieces.len()), values[0]);
        let text = pieces.concat().into_bytes();
        for is_last in [false, true] {
            let (mut redacted, mut open_from) = (vec![false; text.len()], text.len());
            let mut judge = Judge::new(&needles, &text, is_last);
            for start in 0..text.len() {
                match judge.verdict(start) {
                    Verdict::Clean => {}
                    Verdict::Spelled { end } => redacted[start..end].fill(true),
                    Verdict::Open => { open_from = start; break }
                }
            }
            let findings = search(&needles, &text, 0, is_last);
            let mut marked = vec![false; text.len()];
            findings.spans.iter().for_each(|span| marked[span.clone()].fill(true));
            prop_assert_eq!((marked, findings.open_from), (redacted, open_from));
        }
    }

    // threat 81: however a stream is cut, it comes out the same.
    #[test]
    fn chunks_make_no_difference(
        pieces in vec(select(vec!["abab", "%", "\\", "61", "u0062", "%61%62", "x"]), 0..60),
        sizes in vec(1_usize..9, 1..9),
    ) {
        let needles = needles(&["ababab", "babababx", "ab%\\ab"]);
        let text = pieces.concat();
        let whole = scrubbed(&needles, [text.as_bytes()]);
        prop_assert_eq!(scrubbed(&needles, in_chunks(text.as_bytes(), &sizes)), whole);
    }
}

// A peer that answers only the end of a message never waits for the end of a message.
#[test]
fn a_short_beginning_passes_on_where_nothing_follows_and_the_rest_is_still_redacted() {
    let needles = Arc::new(Needles::none().and(&[b"s3cr3t-value"]));
    let mut scrubber = Scrubber::new(needles);
    assert_eq!(
        scrubber.feed(Bytes::from_static(b"a message ends in s")).data,
        "a message ends in "
    );
    assert_eq!(scrubber.let_pass(), "s");
    assert_eq!(scrubber.let_pass(), "", "once");
    assert_eq!(scrubber.feed(Bytes::from_static(b"3cr3")).data, "");
    assert_eq!(scrubber.let_pass(), "3c", "three bytes of a beginning at most");
    assert_eq!(scrubber.let_pass(), "");
    assert_eq!(scrubber.feed(Bytes::from_static(b"t-value, and")).data, "*********, and");
    assert_eq!(scrubber.feed(Bytes::from_static(b" another s")).data, " another ");
    assert_eq!(scrubber.let_pass(), "s");
    assert_eq!(scrubber.feed(Bytes::from_static(b"tory")).data, "tory");
}
