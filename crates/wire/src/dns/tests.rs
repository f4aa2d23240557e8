use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, RCODE, TYPE};

use super::{ANSWER_MAX_BYTES, Found, Kind, Question, Unread, of_this_host};
use crate::host::{BadHost, DnsName};

const A: u16 = 1;
const SYNTHETIC: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 0, 1));
/// What glibc sends with `options edns0`, and `dig` with a cookie.
const EDNS: &[u8] = b"\0\0\x29\x04\xb0\0\0\0\0\0\0";
const EDNS_COOKIE: &[u8] = b"\0\0\x29\x04\xd0\0\0\0\0\0\x0c\0\x0a\0\x08abcdefgh";

/// A question as a resolver asks it, with these records beside it.
fn asked(name: &[u8], kind: u16, class: u16, beside: &[&[u8]]) -> Vec<u8> {
    let count = u8::try_from(beside.len()).unwrap();
    let mut message = vec![0xab, 0xcd, 1, 0x20, 0, 1, 0, 0, 0, 0, 0, count];
    for label in name.split(|byte| *byte == b'.').filter(|label| !label.is_empty()) {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend_from_slice(label);
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend(class.to_be_bytes());
    message.extend(beside.concat());
    message
}

fn told(message: &[u8]) -> Vec<u8> {
    match Question::read(message) {
        Err(Unread::Told(answer)) => answer,
        other => panic!("{other:?}"),
    }
}

fn name(text: &str) -> DnsName {
    DnsName::parse(text).unwrap()
}

// The answers are read by a parser that is not ours.
fn read(answer: &[u8]) -> Packet<'_> {
    assert!(answer.len() <= ANSWER_MAX_BYTES, "{} bytes", answer.len());
    let packet = Packet::parse(answer).unwrap();
    assert_eq!(packet.id(), 0xabcd);
    assert!(packet.has_flags(PacketFlag::RESPONSE | PacketFlag::RECURSION_AVAILABLE));
    packet
}

#[test]
fn a_question_is_answered_in_the_spelling_it_was_asked_in() {
    for beside in [&[][..], &[EDNS], &[EDNS_COOKIE]] {
        let message = asked(b"aPi.ExAmPlE.TeSt", A, 1, beside);
        let question = Question::read(&message).unwrap();
        assert_eq!(question.kind(), Kind::Ipv4);
        assert_eq!(question.name(), Ok(name("api.example.test")));
        let answer = question.answer(Found::Address(SYNTHETIC));
        let packet = read(&answer);
        assert_eq!(packet.rcode(), RCODE::NoError);
        assert!(packet.has_flags(PacketFlag::RECURSION_DESIRED));
        assert_eq!(packet.questions[0].qname.to_string(), "aPi.ExAmPlE.TeSt");
        let [record] = packet.answers.as_slice() else { panic!("{packet:?}") };
        assert_eq!(record.name.to_string(), "aPi.ExAmPlE.TeSt");
        assert!(record.ttl <= 60);
        let RData::A(found) = &record.rdata else { panic!("{record:?}") };
        assert_eq!(Ipv4Addr::from(found.address), Ipv4Addr::new(198, 18, 0, 1));
        assert_eq!(packet.opt().is_some(), !beside.is_empty());
        assert!(packet.opt().is_none_or(|opt| opt.opt_codes.is_empty() && opt.version == 0));
    }
}

#[test]
fn every_kind_of_question_is_told_what_there_is() {
    for (code, kind) in [
        (TYPE::A.into(), Kind::Ipv4),
        (TYPE::AAAA.into(), Kind::Ipv6),
        (TYPE::PTR.into(), Kind::Pointer),
        (TYPE::HTTPS.into(), Kind::Other),
        (TYPE::SVCB.into(), Kind::Other),
        (TYPE::TXT.into(), Kind::Other),
        (255, Kind::Other),
        // Not assigned to anything.
        (64_000, Kind::Other),
    ] {
        let message = asked(b"api.test", code, 1, &[]);
        assert_eq!(Question::read(&message).unwrap().kind(), kind, "{code}");
    }
    let message = asked(b"api.test", TYPE::HTTPS.into(), 1, &[EDNS]);
    let question = Question::read(&message).unwrap();
    for (found, code) in [
        (Found::Nothing, RCODE::NoError),
        (Found::NoSuchName, RCODE::NameError),
        (Found::Failure, RCODE::ServerFailure),
    ] {
        let answer = question.answer(found);
        let packet = read(&answer);
        assert_eq!((packet.rcode(), packet.answers.len()), (code, 0));
        assert_eq!(packet.questions[0].qname, Name::new("api.test").unwrap());
    }
}

#[test]
fn an_address_is_turned_back_into_its_name() {
    let message = asked(b"7.0.18.198.in-addr.ARPA", TYPE::PTR.into(), 1, &[]);
    let question = Question::read(&message).unwrap();
    assert_eq!(question.reversed(), Some(Ipv4Addr::new(198, 18, 0, 7)));
    let longest = [["a".repeat(63).as_str(); 3].join("."), "b".repeat(61)].join(".");
    for text in ["api.test", longest.as_str()] {
        let answer = question.answer(Found::Name(&name(text)));
        let packet = read(&answer);
        let RData::PTR(found) = &packet.answers[0].rdata else { panic!("{packet:?}") };
        assert_eq!(found.0.to_string(), text);
    }
    for other in [
        &b"18.198.in-addr.arpa"[..],
        b"1.7.0.18.198.in-addr.arpa",
        b"256.0.18.198.in-addr.arpa",
        b"7.0.18.198.in-addr.test",
        b"+7.0.18.198.in-addr.arpa",
        b"07.0.18.198.in-addr.arpa",
    ] {
        let message = asked(other, TYPE::PTR.into(), 1, &[]);
        assert_eq!(Question::read(&message).unwrap().reversed(), None);
    }
}

#[test]
fn the_machine_itself_has_loopback_addresses() {
    let v6 = Found::Address(IpAddr::V6(Ipv6Addr::LOCALHOST));
    for own in ["localhost", "db.localhost"] {
        let v4 = Found::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_eq!(of_this_host(&name(own), Kind::Ipv4), Some(v4));
        assert_eq!(of_this_host(&name(own), Kind::Ipv6), Some(v6));
        assert_eq!(of_this_host(&name(own), Kind::Other), Some(Found::Nothing));
    }
    for other in ["localhost.test", "notlocalhost"] {
        assert_eq!(of_this_host(&name(other), Kind::Ipv4), None);
    }
    let message = asked(b"localhost", TYPE::AAAA.into(), 1, &[]);
    let answer = Question::read(&message).unwrap().answer(v6);
    let RData::AAAA(found) = &read(&answer).answers[0].rdata else { panic!("no address") };
    assert_eq!(Ipv6Addr::from(found.address), Ipv6Addr::LOCALHOST);
}

#[test]
fn what_no_host_is_called_has_no_name() {
    for (text, bad) in [
        (&b"_http.test"[..], BadHost::BadLabel),
        (b"127.1", BadHost::LooseIpv4),
        (b"0x7f.1", BadHost::LooseIpv4),
        (b"a b.test", BadHost::BadLabel),
        (b"caf\xc3\xa9.test", BadHost::NotAscii),
        (b"caf\xe9.test", BadHost::NotAscii),
        (b"", BadHost::Empty),
    ] {
        let message = asked(text, A, 1, &[]);
        assert_eq!(Question::read(&message).unwrap().name(), Err(bad), "{text:?}");
    }
    let dotted = b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\0\x08api.test\0\0\x01\0\x01";
    assert_eq!(Question::read(dotted).unwrap().name(), Err(BadHost::BadLabel));
}

#[test]
fn an_answer_is_never_answered() {
    let mut message = asked(b"api.test", A, 1, &[]);
    message[2] |= 0x80;
    assert_eq!(Question::read(&message).unwrap_err(), Unread::Silence);
    for few in 0..12 {
        let message: Vec<u8> = asked(b"api.test", A, 1, &[]).into_iter().take(few).collect();
        assert_eq!(Question::read(&message).unwrap_err(), Unread::Silence, "{few} bytes");
    }
}

#[test]
fn what_is_no_single_question_is_told_so() {
    let good = asked(b"api.test", A, 1, &[]);
    let changed = |at: usize, byte: u8| {
        let mut message = good.clone();
        message[at] = byte;
        message
    };
    let cut: Vec<u8> = good.iter().copied().take(good.len() - 1).collect();
    let trailing = [&good[..], b"x"].concat();
    let twice = asked(b"api.test", A, 1, &[EDNS, EDNS]);
    let many = asked(b"api.test", A, 1, &[EDNS, EDNS, EDNS]);
    let pointer = b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01".to_vec();
    let long = asked(["a".repeat(63).as_str(); 4].join(".").as_bytes(), A, 1, &[]);
    for (why, message) in [
        ("no question", changed(5, 0)),
        ("two questions", changed(5, 2)),
        ("an answer beside it", changed(7, 1)),
        ("an authority beside it", changed(9, 1)),
        ("a record that is not there", changed(11, 1)),
        ("no end", cut),
        ("bytes after the end", trailing),
        ("EDNS twice", twice),
        ("too many records", many),
        ("a pointer", pointer),
        ("a name that is too long", long),
    ] {
        assert_eq!(read(&told(&message)).rcode(), RCODE::FormatError, "{why}");
    }
    let update = told(&changed(2, 0x28));
    assert_eq!(read(&update).rcode(), RCODE::NotImplemented);
    let chaos = asked(b"version.bind", TYPE::TXT.into(), CLASS::CH as u16, &[]);
    assert_eq!(read(&told(&chaos)).rcode(), RCODE::Refused);
    let newer = told(&asked(b"api.test", A, 1, &[b"\0\0\x29\x04\xb0\0\x01\0\0\0\0"]));
    // RFC 6891 §6.1.3: BADVERS is 16, whose upper bits are the first byte of the field.
    assert_eq!((newer[3] & 0xf, &newer[newer.len() - 6..]), (0, &b"\x01\0\0\0\0\0"[..]));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        match Question::read(&bytes) {
            Ok(question) => {
                let _name = (question.name(), question.reversed());
                prop_assert!(question.answer(Found::Address(SYNTHETIC)).len() <= ANSWER_MAX_BYTES);
            }
            Err(Unread::Told(answer)) => prop_assert!(answer.len() <= ANSWER_MAX_BYTES),
            Err(Unread::Silence) => {}
        }
    }

    #[test]
    fn one_changed_byte_is_survived(at in 0_usize..60, byte: u8) {
        let mut message = asked(b"api.example.test", A, 1, &[EDNS_COOKIE]);
        let at = at % message.len();
        message[at] = byte;
        if let Ok(question) = Question::read(&message) {
            Packet::parse(&question.answer(Found::Failure)).map(drop).ok();
        }
    }
}
