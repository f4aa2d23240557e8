use crate::testing::{Log, key, name, trusted};
use crate::{Checkpoint, Error, KeyName, Note, VerifierKey};

/// The example of Go's `golang.org/x/mod/sumdb/note`, which the C2SP format was taken from.
const PUBLISHED_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PUBLISHED_NOTE: &str = "\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKv\
qfqdngotpRZb6KE6RyyBwJnAM=
";

fn signed_by_stranger(size: usize) -> String {
    let root = Log::of(9).root(size);
    Checkpoint { origin: name(), size: size as u64, root }.sign(&key(2))
}

fn last_line(note: &str) -> String {
    format!("{}\n", note.lines().last().unwrap())
}

#[test]
fn a_note_published_elsewhere_verifies_and_prints_back() {
    let key: VerifierKey = PUBLISHED_KEY.parse().unwrap();
    let note = Note::parse(PUBLISHED_NOTE).unwrap();
    assert_eq!(key.check(&note), Ok(()));
    assert_eq!(key.to_string(), PUBLISHED_KEY);
    assert_eq!(note.to_string(), PUBLISHED_NOTE);
}

#[test]
fn a_verifier_key_prints_and_parses_back_and_its_id_must_fit() {
    let text = trusted().to_string();
    assert_eq!(text.parse::<VerifierKey>().unwrap().to_string(), text);
    let (head, rest) = text.split_once('+').unwrap();
    let (id, base64) = rest.split_once('+').unwrap();
    for bad in [
        format!("other.example+{id}+{base64}"),
        format!("{head}+00000000+{base64}"),
        format!("{head}+{}+{base64}", id.to_uppercase()),
        format!("{head}+{id}"),
        format!("{head}+{id}+{base64}="),
        format!("{head}+{id}+AQAA"),
        format!("{head}+{id}+"),
        format!(" {text}"),
        PUBLISHED_KEY.replace("+ARpc", "+BBpc"),
    ] {
        assert!(bad.parse::<VerifierKey>().is_err(), "`{bad}` must not parse");
    }
}

#[test]
fn a_key_name_cannot_forge_a_line() {
    // threat 139
    for bad in ["", "a b", "a+b", "a\nb", "a\u{2003}b", "a\u{1b}[2J", "a\u{9b}2J"] {
        assert!(bad.parse::<KeyName>().is_err(), "{bad:?} must not parse");
    }
    assert!("x".repeat(256).parse::<KeyName>().is_err());
    assert!("x".repeat(255).parse::<KeyName>().is_ok());
}

#[test]
fn notes_that_break_the_format_are_refused() {
    let good = Log::of(9).checkpoint(9);
    let line = last_line(&good);
    let text = "marque.example.com/log\n9\n";
    for bad in [
        String::new(),
        "\n\n".to_owned(),
        text.to_owned(),
        format!("{text}\n"),
        good.trim_end().to_owned(),
        format!("{good}\n"),
        good.replace('\u{2014}', "-"),
        good.replace("9\n", "9\r\n"),
        good.replace("9\n", "9\t\n"),
        good.replace(".com/log ", ".com/log  "),
        format!("{text}\n\u{2014} {} AAAA\n", name()),
        format!("{text}\n\u{2014} {} AAAAA\n", name()),
        format!("{}\n{good}", "x".repeat(16 * 1024)),
        format!("{text}\n{}", line.repeat(17)),
    ] {
        let refused = Note::parse(&bad);
        let name = bad.chars().take(80).collect::<String>();
        assert!(matches!(refused, Err(Error::Malformed { .. })), "`{name}` gave {refused:?}");
    }
    assert!(Note::parse(&format!("{text}\n{}", line.repeat(16))).is_ok());
}

#[test]
fn a_checkpoint_signs_opens_and_reads_as_the_specification_says() {
    let checkpoint = Checkpoint { origin: name(), size: 9, root: Log::of(9).root(9) };
    let note = checkpoint.sign(&key(1));
    assert_eq!(Checkpoint::open(&note, &trusted()), Ok(checkpoint));
    assert!(note.starts_with("marque.example.com/log\n9\n"));
    assert_eq!(note.lines().count(), 5);
}

#[test]
fn only_the_trusted_key_vouches_and_strangers_are_passed_over() {
    let (good, strange) = (Log::of(9).checkpoint(9), signed_by_stranger(9));
    assert!(matches!(Checkpoint::open(&strange, &trusted()), Err(Error::NotSigned { .. })));

    let both = format!("{good}{}", last_line(&strange));
    assert!(Checkpoint::open(&both, &trusted()).is_ok());
    let witnessed = format!("{good}{}", last_line(PUBLISHED_NOTE));
    assert!(Checkpoint::open(&witnessed, &trusted()).is_ok());
}

#[test]
fn one_bad_signature_by_the_trusted_key_condemns_the_note() {
    let (nine, eight) = (Log::of(9).checkpoint(9), Log::of(9).checkpoint(8));
    let both = format!("{nine}{}", last_line(&eight));
    assert!(matches!(Checkpoint::open(&both, &trusted()), Err(Error::BadSignature { .. })));
}

#[test]
fn no_byte_of_a_signed_checkpoint_can_be_changed() {
    let good = Log::of(9).checkpoint(9);
    for place in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        *bytes.get_mut(place).unwrap() ^= 1;
        let opened = String::from_utf8(bytes).map(|note| Checkpoint::open(&note, &trusted()));
        assert!(!matches!(opened, Ok(Ok(_))), "byte {place} was changed unseen");
    }
}

#[test]
fn signed_texts_that_are_no_checkpoint_of_this_log_are_refused() {
    let good = Checkpoint { origin: name(), size: 9, root: Log::of(9).root(9) }.to_string();
    let open = |text: String| {
        Checkpoint::open(&Note::sign(text, &name(), &[&key(1)]).to_string(), &trusted())
    };
    assert!(open(good.clone()).is_ok());
    assert!(open(format!("{good}an extension\n")).is_ok());
    let other = open(good.replace("marque.example", "other.example"));
    assert!(matches!(other, Err(Error::OtherLog { .. })));
    for bad in [
        good.replace("\n9\n", "\n09\n"),
        good.replace("\n9\n", "\n+9\n"),
        good.replace("\n9\n", "\n-9\n"),
        good.replace("\n9\n", "\n\n"),
        good.replace("\n9\n", "\n18446744073709551616\n"),
        good.replace('=', ""),
        good.replace('=', "A"),
        "marque.example.com/log\n9\n".to_owned(),
        format!("{good}\n"),
        format!("{good}\nafter an empty line\n"),
    ] {
        let refused = open(bad.clone());
        assert!(matches!(refused, Err(Error::Malformed { .. })), "`{bad}` gave {refused:?}");
    }
}
