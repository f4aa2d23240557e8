use super::super::answer::*;
use super::super::pkt::{Pkt, PktReader};
use super::super::push::ReportStyle;
use super::super::{RefName, Service};
use super::*;

const BARE: ReportStyle = ReportStyle { side_band: false };
const BANDED: ReportStyle = ReportStyle { side_band: true };

fn refs(names: &[&str]) -> Vec<RefName> {
    names.iter().map(|name| RefName::parse(name.as_bytes()).unwrap()).collect()
}

/// What arrives on one band.
fn band(mut answer: &[u8], wanted: u8) -> Vec<u8> {
    let mut reader = PktReader::new();
    let mut data = Vec::new();
    while let Some(pkt) = reader.next(&mut answer).unwrap() {
        if let Pkt::Line([band, rest @ ..]) = pkt
            && *band == wanted
        {
            data.extend_from_slice(rest);
        }
    }
    data
}

#[test]
fn a_refused_discovery_is_an_error_that_every_version_prints() {
    assert_eq!(
        discovery_refused(Service::ReceivePack, "no grant").as_slice(),
        b"001f# service=git-receive-pack\n00000010ERR no grant"
    );
    assert_eq!(fetch_refused("no grant").as_slice(), b"0010ERR no grant");
}

#[test]
fn a_refused_push_names_each_ref() {
    let refs = refs(&["refs/heads/a", "refs/heads/main"]);
    let refusal = PushRefusal { reason: "needs approval", lines: &[] };
    let report = b"000eunpack ok\n0023ng refs/heads/a needs approval\n\
        0026ng refs/heads/main needs approval\n0000";
    assert_eq!(push_refused(BARE, &refs, refusal).as_slice(), report);
    let lines = ["approve it at https://a.test/7".to_owned()];
    let banded = push_refused(BANDED, &refs, PushRefusal { lines: &lines, ..refusal });
    assert_eq!(band(&banded, 1), report);
    assert_eq!(band(&banded, 2), b"approve it at https://a.test/7\n");
    assert!(banded.ends_with(b"00000000"), "the report ends, then the sideband does");
}

#[test]
fn a_push_that_could_not_be_read_unpacked_nothing() {
    let refusal = PushRefusal { reason: "signed pushes are not supported", lines: &[] };
    let answer = push_refused(BARE, [], refusal);
    assert_eq!(answer.as_slice(), b"002bunpack signed pushes are not supported\n0000");
}

#[test]
fn threat_139_text_cannot_break_out_of_its_line() {
    let text = "a\r\nng refs/heads/b\0\x1b[2J\u{202e}\u{fc} ";
    assert_eq!(fetch_refused(text).as_slice(), b"0021ERR a  ng refs/heads/b??[2J??");
    assert_eq!(fetch_refused(" \n").as_slice(), b"000fERR refused");
    assert_eq!(fetch_refused(&"\u{fc}".repeat(70_000)).len(), 8 + TEXT_MAX_BYTES);
    let lines = vec!["x\ny".to_owned(); LINES_MAX + 1];
    let refusal = PushRefusal { reason: "one\ntwo", lines: &lines };
    let answer = push_refused(BANDED, &refs(&["refs/heads/a"]), refusal);
    assert_eq!(band(&answer, 2), "x y\n".repeat(LINES_MAX).into_bytes());
    assert!(band(&answer, 1).ends_with(b"ng refs/heads/a one two\n0000"));
}

#[test]
fn a_long_report_is_split_over_packets() {
    let names: Vec<_> = (0..256).map(|at| format!("refs/heads/{at:01000}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let refs = refs(&names);
    let refusal = PushRefusal { reason: "no", lines: &[] };
    let answer = push_refused(BANDED, &refs, refusal);
    assert!(answer.len() > 3 * 65_520);
    assert_eq!(band(&answer, 1), push_refused(BARE, &refs, refusal));
}

proptest! {
    #[test]
    fn any_text_at_all_is_one_line_of_printable_ascii(text in any::<String>()) {
        let answer = fetch_refused(&text);
        prop_assert!(answer.iter().all(|byte| (b' '..=b'~').contains(byte)));
    }
}
