//! Commits, tags and their signatures: what is read of one is in it, and without its signature it
//! reads the same.

use marque_wire::git::object::{AGENT_RUN, ON_BEHALF_OF, Object, ObjectKind, Trailer, trailer};
use marque_wire::sshsig::{SshSignature, armor, public_line, read_public_line};

pub(super) fn check(data: &[u8]) {
    object(data);
    for name in [AGENT_RUN, ON_BEHALF_OF] {
        if let Trailer::Once(value) = trailer(data, name) {
            let is_in_it = data.windows(value.len().max(1)).any(|at| at == value.as_bytes());
            assert!(value.is_empty() || is_in_it, "a trailer that is not in the message");
        }
    }
    if let Ok(text) = std::str::from_utf8(data) {
        signature(text);
    }
    if let Some((key, rest)) = data.split_first_chunk::<32>()
        && let Some((signature, namespace)) = rest.split_first_chunk::<64>()
        && let Ok(namespace) = std::str::from_utf8(namespace)
    {
        let text = armor(key, namespace, signature);
        if text.len() <= marque_wire::sshsig::MAX_BYTES {
            let read = SshSignature::parse(&text).expect("what is armoured reads back");
            assert_eq!((read.key, read.namespace.as_str()), (*key, namespace));
        }
        assert_eq!(read_public_line(&public_line(key)), Ok(*key));
    }
}

fn object(data: &[u8]) {
    let Ok(read) = Object::parse(data) else { return };
    assert!(!data.contains(&0) && data.len() >= read.payload.len());
    // A tag is signed behind its message, and may have the header of a commit's signature besides,
    // which git takes off as well.
    if read.kind == ObjectKind::Commit {
        let is_unsigned = read.signature.is_none();
        assert!(!is_unsigned || read.payload == data, "an unsigned commit is its own payload");
        let again = Object::parse(&read.payload).expect("the payload of a commit is a commit");
        assert_eq!(again.signature, None, "a second signature is left");
        assert_eq!((again.author, again.committer), (read.author, read.committer));
        assert_eq!((again.message, again.is_encoded), (read.message, read.is_encoded));
    }
}

fn signature(text: &str) {
    if let Ok(key) = read_public_line(text) {
        assert_eq!(public_line(&key), text, "a key has two lines");
    }
    let Ok(read) = SshSignature::parse(text) else { return };
    assert_eq!(SshSignature::parse(text.trim_ascii()).as_ref(), Ok(&read));
    let line = public_line(&read.key);
    assert_eq!(read_public_line(&line), Ok(read.key));
}
