//! The body of a fetch: the same verdict however it is cut, and packed as it is.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use marque_wire::git::fetch::{BadFetch, UploadPackGuard};
use marque_wire::git::pkt::PktReader;
use marque_wire::git::{Service, Version, answer};

use crate::pieces::pieces;

pub(super) fn check(data: &[u8]) {
    let Some((&seed, bytes)) = data.split_first() else { return };
    let _version = Version::parse(bytes);
    told(bytes);
    let plain = same_verdict(UploadPackGuard::plain, bytes, seed);
    // Of broken gzip more or less is inflated before that shows: only the reason may differ.
    let (whole, cut) = (&[bytes][..], &pieces(bytes, seed)[..]);
    let [whole, cut] = [whole, cut].map(|pieces| verdict(UploadPackGuard::gzip(), pieces).is_ok());
    assert_eq!(whole, cut, "whether it is admitted depends on the cuts");
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).unwrap();
    let packed = packer.finish().unwrap();
    let packed = same_verdict(UploadPackGuard::gzip, &packed, seed);
    assert_eq!(packed, plain, "packed, it gets another verdict");
}

fn same_verdict(guard: fn() -> UploadPackGuard, bytes: &[u8], seed: u8) -> Result<(), BadFetch> {
    let (whole, cut) = (verdict(guard(), &[bytes]), verdict(guard(), &pieces(bytes, seed)));
    assert_eq!(whole, cut, "the verdict depends on the cuts");
    whole
}

fn verdict(mut guard: UploadPackGuard, pieces: &[&[u8]]) -> Result<(), BadFetch> {
    for piece in pieces {
        if let Err(refused) = guard.admit(piece) {
            assert_eq!(guard.admit(b"0000"), Err(refused), "a refusal did not stay");
            assert_eq!(guard.end(), Err(refused), "a refusal did not stay to the end");
            return Err(refused);
        }
    }
    guard.end()
}

/// A refusal with any text in it is whole packets of plain text.
fn told(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for told in
        [answer::fetch_refused(&text), answer::discovery_refused(Service::UploadPack, &text)]
    {
        let (mut pkts, mut rest) = (PktReader::new(), &told[..]);
        while pkts.next(&mut rest).expect("what is told is packets").is_some() {}
        assert!(pkts.is_between_packets() && rest.is_empty());
        assert!(told.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n')));
    }
}
