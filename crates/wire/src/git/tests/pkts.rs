use super::super::pkt::*;
use super::*;

/// What a reader makes of `stream`, cut like this: packets in a readable form, then the fault.
fn read(stream: &[u8], sizes: &[usize]) -> (Vec<String>, Option<BadPkt>, bool) {
    let mut reader = PktReader::new();
    let mut seen = Vec::new();
    let verdict = in_slices(stream, sizes, |mut slice| {
        while let Some(pkt) = reader.next(&mut slice)? {
            seen.push(format!("{pkt:?}"));
        }
        Ok(())
    });
    (seen, verdict.err(), reader.is_between_packets())
}

#[test]
fn threat_117_a_length_that_means_nothing_is_refused() {
    let cases: [(&[u8], BadPkt); 10] = [
        (b"0003", BadPkt::Reserved),
        (b"0004", BadPkt::Empty),
        (b"fff1", BadPkt::TooLong),
        (b"ffff", BadPkt::TooLong),
        (b"000A", BadPkt::BadLength),
        (b"0x0a", BadPkt::BadLength),
        (b"+00a", BadPkt::BadLength),
        (b" 00a", BadPkt::BadLength),
        (b"-001", BadPkt::BadLength),
        (b"PACK", BadPkt::BadLength),
    ];
    for (stream, fault) in cases {
        assert_eq!(read(stream, &[4]).1, Some(fault), "{stream:?}");
    }
    assert_eq!(read(b"z", &[1]).1, Some(BadPkt::BadLength), "found before its fourth digit");
}

#[test]
fn packets_are_told_apart_by_length_alone() {
    let (seen, fault, between) = read(b"0005a0000000100020009PACK\n000", &[64]);
    assert_eq!(seen, ["Line([97])", "Flush", "Delim", "ResponseEnd", "Line([80, 65, 67, 75, 10])"]);
    assert_eq!((fault, between), (None, false), "three digits are no packet");
    assert!(read(b"0005a", &[1]).2);
    assert!(!read(b"0006a", &[1]).2);
}

#[test]
fn the_longest_packet_is_written_and_read() {
    let data = vec![b'x'; DATA_MAX_BYTES];
    let stream = packets([Some(&data[..]), None]);
    assert_eq!(&stream[..4], b"fff0");
    assert_eq!(read(&stream, &[1000]).0.len(), 2);
    let mut writer = PktWriter::new();
    assert_eq!(writer.line(&vec![b'x'; DATA_MAX_BYTES + 1]), Err(BadPkt::TooLong));
    assert_eq!(writer.line(b""), Err(BadPkt::Empty));
}

#[test]
fn a_band_splits_what_does_not_fit_into_one_packet() {
    let mut writer = PktWriter::new();
    writer.band(Band::Data, &vec![b'x'; BAND_MAX_BYTES + 1]);
    writer.band(Band::Fatal, b"y");
    let stream = writer.into_bytes();
    assert_eq!(&stream[..5], b"fff0\x01");
    assert_eq!(&stream[PKT_MAX_BYTES..], b"0006\x01x0006\x03y");
}

proptest! {
    #[test]
    fn what_is_written_is_read_however_it_is_cut(
        lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
        sizes in cuts(),
    ) {
        let lines: Vec<_> =
            lines.iter().map(|line| (!line.is_empty()).then_some(&line[..])).collect();
        let wanted: Vec<_> = lines
            .iter()
            .map(|line| line.map_or("Flush".into(), |line| format!("{:?}", Pkt::Line(line))))
            .collect();
        let stream = packets(lines);
        prop_assert_eq!(read(&stream, &sizes), (wanted, None, true));
    }

    #[test]
    fn any_bytes_at_all_get_one_verdict(
        stream in prop::collection::vec(
            prop::sample::select(&b"0012345abcdefPACK\n\xff"[..]),
            0..200,
        ),
        sizes in cuts(),
    ) {
        prop_assert_eq!(read(&stream, &[stream.len().max(1)]), read(&stream, &sizes));
    }
}
