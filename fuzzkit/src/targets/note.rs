//! What a log signs: notes, keys, receipts and anchors print as they were read, and of all there
//! are only the one that the key has signed opens with it.

use marque_crypto::sign::LogKey;
use marque_domain::Digest;
use marque_tlog::{Anchor, Checkpoint, KeyChain, KeyName, Note, Receipt, VerifierKey, leaf_hash};

use crate::fixed::Constant;

pub(super) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text, "a key has two spellings");
    }
    if let Ok(note) = Note::parse(text) {
        assert_eq!(note.to_string(), text, "a note prints otherwise");
    }
    if let Ok(receipt) = text.parse::<Receipt>() {
        assert_eq!(receipt.to_string(), text, "a receipt prints otherwise");
    }
    let log = Signed::new();
    for note in [text.to_owned(), log.changed(text)] {
        log.opens_only_itself(&note);
    }
    log.anchored(text);
    log.anchored(&format!("{}{text}", log.note));
}

/// A log of one entry, and the one note that its key has signed.
struct Signed {
    key: VerifierKey,
    head: Checkpoint,
    note: String,
}

impl Signed {
    fn new() -> Self {
        let key = LogKey::generate(&Constant(1)).unwrap();
        let name: KeyName = "marque.example.com/log".parse().unwrap();
        let head = Checkpoint { origin: name.clone(), size: 1, root: leaf_hash(b"entry") };
        let note = head.sign(&key);
        Self { key: VerifierKey::new(name, key.public().clone()), head, note }
    }

    /// The note with `text` in place of as many bytes, from the place that its length says.
    fn changed(&self, text: &str) -> String {
        let mut bytes = self.note.clone().into_bytes();
        let at = text.len() * 7 % bytes.len();
        let until = bytes.len().min(at + text.len());
        bytes.splice(at..until, text.bytes());
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn opens_only_itself(&self, note: &str) {
        if let Ok(opened) = Checkpoint::open(note, &self.key) {
            assert_eq!(opened, self.head, "a head opens that nobody signed");
        }
        let receipt = Receipt {
            entry: b"another".to_vec(),
            index: 0,
            proof: Vec::new(),
            checkpoint: note.to_owned(),
        };
        let keys = KeyChain::from(self.key.clone());
        assert!(receipt.verify(&keys).is_err(), "another entry is proven");
    }

    fn anchored(&self, file: &str) {
        let keys = KeyChain::from(self.key.clone());
        if let Ok(anchors) = Anchor::parse_file(file, &keys) {
            let printed: String = anchors.iter().map(Anchor::to_string).collect();
            assert_eq!(printed, file, "an anchors file prints otherwise");
            let all_inside = |anchor: &Anchor| {
                *anchor.checkpoint() == self.head
                    && anchor.leaves().iter().all(|leaf| leaf.index < self.head.size)
            };
            assert!(anchors.iter().all(all_inside), "an anchor of a head that nobody signed");
        }
        let newest = Anchor::newest(file, &self.head.origin, Some(&self.key));
        assert!(newest.is_none_or(|newest| newest == self.head));
        let claimed = Anchor::newest(file, &self.head.origin, None);
        assert!(claimed.is_none_or(|claimed| claimed.origin == self.head.origin));
    }
}

/// For the other half of the log's mathematics.
pub(super) fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}
