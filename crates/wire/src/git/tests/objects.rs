use proptest::prelude::*;

use crate::git::object::{
    AGENT_RUN, BadObject, OBJECT_MAX_BYTES, Object, ObjectKind, Trailer, trailer,
};

const HEAD: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\
    author Al Ice <alice@example.com> 1795000000 +0100\n\
    committer triage <triage@agents.example> 1795000001 +0000\n";

fn commit(more: &str, message: &str) -> String {
    format!("{HEAD}{more}\n{message}")
}

#[test]
fn a_commit_says_who_wrote_it_and_who_made_it() {
    let text = commit("", "a title\n\nAgent-Run: run_1\n");
    let read = Object::parse(text.as_bytes()).unwrap();
    assert_eq!(read.kind, ObjectKind::Commit);
    assert!(read.author.unwrap().is("Al Ice", "alice@example.com"));
    assert!(read.committer.is("triage", "triage@agents.example"));
    assert_eq!(read.committer.seconds, Some(1_795_000_001));
    assert_eq!((read.signature, read.is_encoded), (None, false));
    assert_eq!(read.payload, text.as_bytes());
}

#[test]
fn what_a_signature_is_over_is_the_object_without_it() {
    let plain = commit("", "a title\n");
    let signed = commit("gpgsig -----BEGIN SSH SIGNATURE-----\n U1NI\n -----END\n", "a title\n");
    let read = Object::parse(signed.as_bytes()).unwrap();
    assert_eq!(read.payload, plain.as_bytes());
    assert_eq!(read.signature.unwrap(), "-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END");
}

#[test]
fn a_tag_carries_its_signature_behind_its_message() {
    let plain = "object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ntype commit\ntag v1\n\
        tagger triage <triage@agents.example> 1795000001 +0000\n\nversion 1\n";
    let signed = format!("{plain}-----BEGIN SSH SIGNATURE-----\nU1NI\n");
    let read = Object::parse(signed.as_bytes()).unwrap();
    assert_eq!((read.kind, read.author), (ObjectKind::Tag, None));
    assert_eq!(read.payload, plain.as_bytes());
    assert!(read.signature.unwrap().starts_with("-----BEGIN SSH"));
}

// threat 122
#[test]
fn an_object_that_reads_two_ways_is_refused() {
    let again = commit("author Eve <eve@example.com> 1 +0000\n", "x\n");
    let twice = commit("gpgsig a\ngpgsig-sha256 b\n", "x\n");
    for (text, expected) in [
        (again.as_str(), BadObject::Headers),
        (&twice, BadObject::Headers),
        (&commit("", "a title\0\n\nAgent-Run: run_2\n"), BadObject::Nul),
        (" tree x\n\n", BadObject::Other),
        ("certificate version 0.1\npusher x 1 +0000\n\n", BadObject::Other),
        ("tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nno author\n", BadObject::Headers),
        (HEAD, BadObject::Headers),
        (&commit("author", "x"), BadObject::Headers),
        (
            &HEAD.replace("<alice@example.com>", "alice").replace("\ncommitter", "\n\ncommitter"),
            BadObject::Headers,
        ),
    ] {
        assert_eq!(Object::parse(text.as_bytes()).unwrap_err(), expected, "{text}");
    }
    let long = commit("", &"x".repeat(OBJECT_MAX_BYTES));
    assert_eq!(Object::parse(long.as_bytes()).unwrap_err(), BadObject::TooLong);
}

// threat 122
#[test]
fn a_trailer_counts_once_and_only_where_git_finds_it() {
    for (message, expected) in [
        ("title\n\nAgent-Run: run_1\n", Trailer::Once("run_1")),
        ("title\n\nFixes: 1\nagent-run : run_1  \nOn-behalf-of: a\n\n", Trailer::Once("run_1")),
        ("title\n\nAgent-Run: run_1\r\n", Trailer::Once("run_1")),
        ("title\n", Trailer::Absent),
        ("title\n\n    Agent-Run: run_2\n", Trailer::Absent),
        ("title\n\nAgent-Runs: run_2\n", Trailer::Absent),
        ("title\n\nAgent-Run: run_1\nAgent-Run: run_1\n", Trailer::Doubtful),
        ("title\n\nAgent-Run: run_2\n\nAgent-Run: run_1\n", Trailer::Doubtful),
        ("title\n\nAgent-Run: run_1\n\nmore text\n", Trailer::Doubtful),
        ("title\n\nAgent-Run: run_1\n and more\n", Trailer::Doubtful),
        ("title\n\nAgent-Run: run_1\n\t\nthe end\n", Trailer::Doubtful),
    ] {
        assert_eq!(trailer(message.as_bytes(), AGENT_RUN), expected, "{message:?}");
    }
    assert_eq!(trailer(b"t\n\nAgent-Run: \xff\n", AGENT_RUN), Trailer::Doubtful);
}

proptest! {
    #[test]
    fn a_signature_can_always_be_taken_off_again(
        lines in proptest::collection::vec("[ -~]{0,40}", 1..6), message in "[ -~\n]{0,200}",
    ) {
        let folded = lines.join("\n ");
        let signed = commit(&format!("gpgsig {folded}\n"), &message);
        let read = Object::parse(signed.as_bytes()).unwrap();
        prop_assert_eq!(read.payload, commit("", &message).into_bytes());
        prop_assert_eq!(read.signature.unwrap(), lines.join("\n"));
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in any::<Vec<u8>>()) {
        for head in ["", "tree ", HEAD, "object x\n"] {
            let whole = [head.as_bytes(), &bytes].concat();
            if let Ok(read) = Object::parse(&whole) {
                let _ = trailer(read.message, AGENT_RUN);
                prop_assert!(read.payload.len() <= whole.len());
            }
        }
        let _ = trailer(&bytes, AGENT_RUN);
    }
}
