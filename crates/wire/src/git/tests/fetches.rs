use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::fetch::*;
use super::super::pkt::BadPkt;
use super::*;

const WANT: &str = "want 1111111111111111111111111111111111111111 multi_ack_detailed\n";
const HAVE: &str = "have 2222222222222222222222222222222222222222\n";

fn zip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn follow(mut guard: UploadPackGuard, body: &[u8], sizes: &[usize]) -> Result<(), BadFetch> {
    in_slices(body, sizes, |slice| guard.admit(slice))?;
    guard.end()
}

fn plain(body: &[u8]) -> Result<(), BadFetch> {
    follow(UploadPackGuard::plain(), body, &[body.len().max(1)])
}

fn gzip(body: &[u8]) -> Result<(), BadFetch> {
    follow(UploadPackGuard::gzip(), body, &[body.len().max(1)])
}

#[test]
fn fetches_of_every_version_are_admitted_plain_and_compressed() {
    let requests: [&[&str]; 9] = [
        &[""],
        &[
            "command=ls-refs\n",
            "agent=git/2.47.3",
            "object-format=sha1",
            "|",
            "peel\n",
            "symrefs",
            "",
        ],
        &["command=fetch", "agent=git/2.47.3", "|", "thin-pack", WANT, HAVE, "done\n", ""],
        &["command=object-info", ""],
        &["command=bundle-uri", "|", ""],
        &[WANT, "deepen 1", "", "done\n"],
        &[WANT, "", HAVE, HAVE, ""],
        &[
            "want 11",
            "shallow 22",
            "deepen-since 7",
            "deepen-not v1",
            "filter blob:none",
            "",
            HAVE,
            "",
        ],
        &[WANT, "", HAVE, "done", ""],
    ];
    for lines in requests {
        let body = text_packets(lines);
        assert_eq!(plain(&body), Ok(()), "{lines:?}");
        assert_eq!(gzip(&zip(&body)), Ok(()), "{lines:?}");
    }
}

#[test]
fn threat_118_a_fetch_that_does_anything_else_is_refused() {
    let cases: [(&[&str], BadFetch); 16] = [
        (&["command=push", ""], BadFetch::Command),
        (&["command=", ""], BadFetch::Command),
        (&["Command=fetch", ""], BadFetch::Line),
        (&["command=fetch", "command=ls-refs", ""], BadFetch::Command),
        (&["command=fetch", "", "command=ls-refs", ""], BadFetch::AfterEnd),
        (&["", "command=fetch", ""], BadFetch::AfterEnd),
        (&["command=fetch", "|", "|", ""], BadFetch::Boundary),
        (&["|", "command=fetch", ""], BadFetch::Boundary),
        (&[WANT, "|"], BadFetch::Boundary),
        (&[WANT, "", "command=fetch", ""], BadFetch::Line),
        (&[WANT, "push x", ""], BadFetch::Line),
        (&["done x", ""], BadFetch::Line),
        (&[WANT, "", "done", HAVE], BadFetch::Line),
        (&["argument host=x", ""], BadFetch::Line),
        (&[WANT], BadFetch::Truncated),
        (&["command=fetch", "|", WANT], BadFetch::Truncated),
    ];
    for (lines, fault) in cases {
        let body = text_packets(lines);
        assert_eq!(plain(&body), Err(fault), "{lines:?}");
        assert_eq!(gzip(&zip(&body)), Err(fault), "{lines:?}");
    }
    let commands =
        b"0000000000000000000000000000000000000000 1111111111111111111111111111111111111111 \
        refs/heads/main\0report-status";
    assert_eq!(plain(&packets([Some(&commands[..]), None])), Err(BadFetch::Line));
    assert_eq!(plain(b""), Err(BadFetch::Truncated));
    assert_eq!(plain(b"0002"), Err(BadFetch::Boundary));
    assert_eq!(plain(b"0003"), Err(BadFetch::Pkt(BadPkt::Reserved)));
    assert_eq!(plain(b"PACK"), Err(BadFetch::Pkt(BadPkt::BadLength)));
}

#[test]
fn threat_124_a_bomb_is_found_before_it_is_large() {
    let line = ["have ", &"0".repeat(60_000)].concat();
    let piece = text_packets(&["want 1", &line]);
    let bomb = zip(&[text_packets(&["want 1"]), piece.repeat(1200)].concat());
    assert!(bomb.len() < WIRE_MAX_BYTES / 8, "{} bytes", bomb.len());
    assert_eq!(gzip(&bomb), Err(BadFetch::InflatesTooFar));
    // Zeros are flushes without end: refused at the second.
    let zeros = zip(&vec![b'0'; 80 * 1024 * 1024]);
    assert_eq!(gzip(&zeros), Err(BadFetch::AfterEnd));
    let nuls = zip(&vec![0; 80 * 1024 * 1024]);
    assert_eq!(gzip(&nuls), Err(BadFetch::Pkt(BadPkt::BadLength)));
}

#[test]
fn threat_124_a_long_request_is_refused_at_its_bound() {
    let haves = text_packets(&[WANT, HAVE]).repeat(WIRE_MAX_BYTES / 100);
    assert_eq!(plain(&haves), Err(BadFetch::TooLong));
    let mut guard = UploadPackGuard::plain();
    let mut rest = haves.chunks(1000);
    let refused = rest.position(|slice| guard.admit(slice).is_err()).unwrap();
    assert_eq!(refused, WIRE_MAX_BYTES / 1000);
    assert_eq!(guard.admit(b"0000"), Err(BadFetch::TooLong), "a refusal is final");
    assert_eq!(guard.end(), Err(BadFetch::TooLong));
}

#[test]
fn threat_124_only_one_plain_member_is_inflated() {
    let body = zip(b"0000");
    let broken = |at: usize, byte: u8| {
        let mut body = body.clone();
        body[at] = byte;
        gzip(&body)
    };
    let header = Err(BadFetch::Gzip(BadGzip::BadHeader));
    assert_eq!(broken(0, 0), header);
    assert_eq!(broken(2, 7), header);
    assert_eq!(broken(3, 8), header, "a file name is no use here");
    assert_eq!(gzip(b"0000"), header);
    let trailer = Err(BadFetch::Gzip(BadGzip::BadTrailer));
    assert_eq!(broken(body.len() - 1, 1), trailer);
    assert_eq!(broken(body.len() - 8, 1), trailer);
    assert_eq!(gzip(&[&body[..10], &[0xff; 20]].concat()), Err(BadFetch::Gzip(BadGzip::BadData)));
    let after = Err(BadFetch::Gzip(BadGzip::AfterEnd));
    assert_eq!(gzip(&[&body[..], b"0"].concat()), after);
    assert_eq!(gzip(&body.repeat(2)), after);
    for length in 0..body.len() {
        assert_eq!(gzip(&body[..length]), Err(BadFetch::Truncated), "{length}");
    }
    assert_eq!(plain(&body), Err(BadFetch::Pkt(BadPkt::BadLength)), "announced or not at all");
}

proptest! {
    #[test]
    fn the_verdict_on_a_fetch_does_not_depend_on_how_it_is_cut(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "command=fetch", "command=push", "|", "", WANT, HAVE, "done", "junk",
            ]),
            0..6,
        ),
        dirt in prop::collection::vec(any::<u8>(), 0..3),
        sizes in cuts(),
    ) {
        let body = [text_packets(&parts), dirt.clone()].concat();
        prop_assert_eq!(plain(&body), follow(UploadPackGuard::plain(), &body, &sizes));
        let zipped = zip(&body);
        prop_assert_eq!(gzip(&zipped), follow(UploadPackGuard::gzip(), &zipped, &sizes));
        prop_assert_eq!(gzip(&zipped), plain(&body));
        let dirty = [zipped, dirt].concat();
        prop_assert_eq!(gzip(&dirty), follow(UploadPackGuard::gzip(), &dirty, &sizes));
    }

    #[test]
    fn any_bytes_at_all_get_a_verdict(
        body in prop::collection::vec(any::<u8>(), 0..300),
        sizes in cuts(),
    ) {
        prop_assert_eq!(plain(&body), follow(UploadPackGuard::plain(), &body, &sizes));
        let deflated = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], &body[..]].concat();
        let whole = gzip(&deflated).is_ok();
        prop_assert_eq!(whole, follow(UploadPackGuard::gzip(), &deflated, &sizes).is_ok());
    }
}
