use crate::testing::{Log, key, name, trusted};
use crate::{Anchor, AnchoredLeaf, Checkpoint, Error};

fn anchor(size: usize, leaves: &[usize]) -> Anchor {
    let log = Log::of(20);
    let seen = |index: &usize| AnchoredLeaf { index: *index as u64, leaf: log.leaf(*index) };
    Anchor::new(&log.checkpoint(size), leaves.iter().map(seen).collect(), &trusted().into())
        .unwrap()
}

/// Two records: note on lines 1 to 5, leaves on 6 and 7, empty line 8; then 9 to 13, empty 14.
fn file() -> String {
    format!("{}{}", anchor(10, &[3, 7]), anchor(20, &[]))
}

fn refusal(file: &str) -> String {
    Anchor::parse_file(file, &trusted().into()).unwrap_err().to_string()
}

#[test]
fn an_anchors_file_is_its_records_appended_and_reads_back() {
    let parsed = Anchor::parse_file(&file(), &trusted().into()).unwrap();
    assert_eq!(parsed, [anchor(10, &[3, 7]), anchor(20, &[])]);
    assert_eq!(parsed.iter().map(Anchor::to_string).collect::<String>(), file());
    assert_eq!(Anchor::parse_file("", &trusted().into()), Ok(Vec::new()));
    assert_eq!(parsed.first().unwrap().checkpoint().size, 10);
}

#[test]
fn a_broken_line_is_refused_by_its_number() {
    let broken = [
        (file().replace("leaf 7 ", "leaf 07 "), "line 7: "),
        (file().replace("leaf 7 ", "leaf 7  "), "line 7: "),
        (file().replace("leaf 7 ", "leaf 2 "), "line 7: "),
        (file().replace("leaf 7 ", "leaf 3 "), "line 7: "),
        (file().replace("leaf 7 ", "leaf 10 "), "line 7: entry 10 is outside a log of 10"),
        (file().replace("leaf 7 sha256:", "leaf 7 sha512:"), "line 7: "),
        (file().replace("\n20\n", "\n21\n"), "line 9: the signature by"),
        (format!("{}\n", file()), "line 15: "),
        (format!("\n{}", file()), "line 1: "),
    ];
    for (file, expected) in broken {
        let refusal = refusal(&file);
        assert!(refusal.starts_with(&format!("anchors file, {expected}")), "{refusal}");
    }
}

#[test]
fn a_record_torn_by_a_crash_is_refused_wherever_it_was_torn() {
    let (whole, second) = (file(), anchor(10, &[3, 7]).to_string().len());
    let torn = (1..whole.len()).filter(|end| *end != second && whole.is_char_boundary(*end));
    for end in torn {
        let (torn, _) = whole.split_at(end);
        assert!(
            Anchor::parse_file(torn, &trusted().into()).is_err(),
            "torn at byte {end} and read"
        );
    }
}

// threat 156
#[test]
fn the_newest_record_that_is_whole_is_found_from_the_end() {
    let newest = |file: &str| Anchor::newest(file, &name(), Some(&trusted())).map(|one| one.size);
    let (whole, second) = (file(), anchor(10, &[3, 7]).to_string().len());
    assert_eq!(newest(""), None);
    assert_eq!(newest(&whole), Some(20));
    assert_eq!(newest(&whole[1..]), Some(20), "what is before it may be cut");
    assert_eq!(newest(&whole[second + 1..]), None);
    let torn = (second..whole.len()).filter(|end| whole.is_char_boundary(*end));
    for end in torn {
        assert_eq!(newest(&whole[..end]), Some(10), "torn at byte {end}");
    }
    assert_eq!(newest(&whole.replace("\n20\n", "\n21\n")), Some(10), "not what was signed");
    assert_eq!(newest(&"x\n\n".repeat(1_000)), None);
    // Of a key that is not known only what it says is left, which is enough to doubt.
    let claimed = |file: &str| Anchor::newest(file, &name(), None).map(|one| one.size);
    assert_eq!(claimed(&whole.replace("\n20\n", "\n21\n")), Some(21));
    assert_eq!(claimed(&whole[..whole.len() - 1]), Some(10), "torn");
}

#[test]
fn an_anchor_signed_by_an_unknown_key_is_refused_not_passed_over() {
    let root = Log::of(20).root(20);
    let strange = Checkpoint { origin: name(), size: 20, root }.sign(&key(2));
    let refused = Anchor::parse_file(&format!("{}{strange}\n", file()), &trusted().into());
    let Err(Error::AnchorLine { line, why }) = refused else { unreachable!("it was accepted") };
    assert_eq!(line, 15);
    assert!(matches!(*why, Error::NotSigned { .. }));
    assert!(Anchor::new(&strange, Vec::new(), &trusted().into()).is_err());
}

#[test]
fn an_anchors_file_is_read_only_up_to_its_bound() {
    let huge = "\n".repeat(64 * 1024 * 1024 + 1);
    assert_eq!(refusal(&huge), "this is no anchors file: it is longer than 64 MiB");
}
