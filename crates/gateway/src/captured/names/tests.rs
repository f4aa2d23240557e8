use std::collections::HashSet;
use std::net::Ipv4Addr;

use marque_wire::host::DnsName;
use proptest::prelude::*;

use super::{ADDRESSES, NAMES_MAX, NAMES_MAX_BYTES, Names, is_made_up};

fn name(text: &str) -> DnsName {
    DnsName::parse(text).unwrap()
}

/// The four bytes after the record's head, where there is a record.
fn address_in(answer: &[u8]) -> Option<Ipv4Addr> {
    let is_found = answer.get(7) == Some(&1);
    let address: [u8; 4] = answer.get(answer.len() - 4..)?.try_into().ok()?;
    is_found.then(|| Ipv4Addr::from(address))
}

fn asked(name: &str, kind: u8) -> Vec<u8> {
    let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend_from_slice(label.as_bytes());
    }
    message.extend([0, 0, kind, 0, 1]);
    message
}

fn code(answer: &[u8]) -> u8 {
    answer[3] & 0xf
}

#[test]
fn a_name_has_one_address_in_every_spelling_and_the_address_one_name() {
    let mut names = Names::beginning_at(0);
    let first = address_in(&names.answer(&asked("api.test", 1)).unwrap()).unwrap();
    assert_eq!(first, Ipv4Addr::new(198, 18, 0, 1));
    let again = address_in(&names.answer(&asked("Api.TEST", 1)).unwrap());
    assert_eq!(again, Some(first));
    let other = address_in(&names.answer(&asked("other.test", 1)).unwrap()).unwrap();
    assert_ne!(other, first);
    assert_eq!(names.name_at(first), Some(&name("api.test")));
    assert_eq!(names.name_at(other), Some(&name("other.test")));
    let back = names.answer(&asked("1.0.18.198.in-addr.arpa", 12)).unwrap();
    assert!(back.ends_with(b"\x03api\x04test\0"), "{back:?}");
}

// threat 100: what is asked for reaches nobody and costs little.
#[test]
fn only_a_question_for_an_ipv4_address_makes_one_up() {
    let mut names = Names::beginning_at(5);
    for (text, kind, expected) in [
        ("api.test", 28, 0),
        ("api.test", 65, 0),
        ("api.test", 16, 0),
        ("c2VjcmV0.tunnel.test", 16, 0),
        ("_sip._tcp.test", 33, 0),
        ("_under.test", 1, 3),
        ("127.1", 1, 3),
        ("1.0.0.10.in-addr.arpa", 1, 3),
        ("1.0.0.10.in-addr.arpa", 12, 3),
        ("6.0.18.198.in-addr.arpa", 12, 3),
        ("localhost", 1, 0),
        ("localhost", 28, 0),
    ] {
        let answer = names.answer(&asked(text, kind)).unwrap();
        assert_eq!(code(&answer), expected, "{text} {kind}");
        assert_eq!(answer[7] == 1, text == "localhost", "{text} {kind}");
    }
    assert_eq!(names.known.len(), 0);
}

#[test]
fn a_run_has_so_many_names_and_no_more() {
    let mut names = Names::beginning_at(ADDRESSES - 3);
    let mut addresses = HashSet::new();
    for number in 0..NAMES_MAX {
        let answer = names.answer(&asked(&format!("h{number}.test"), 1)).unwrap();
        addresses.insert(address_in(&answer).unwrap());
    }
    assert_eq!(addresses.len(), NAMES_MAX);
    assert!(addresses.iter().all(|address| is_made_up(*address)));
    assert_eq!(code(&names.answer(&asked("more.test", 1)).unwrap()), 2);
    assert!(address_in(&names.answer(&asked("h0.test", 1)).unwrap()).is_some());
}

#[test]
fn long_names_take_more_of_the_room() {
    let mut names = Names::beginning_at(0);
    let label = "a".repeat(60);
    let fits = NAMES_MAX_BYTES / 250;
    let given = (1..2 * fits).filter(|number| {
        let text = format!("{label}.{label}.{label}.{label}{number:05}");
        address_in(&names.answer(&asked(&text[..249.min(text.len())], 1)).unwrap()).is_some()
    });
    assert!(given.count() <= NAMES_MAX_BYTES / 240);
    assert!(names.bytes <= NAMES_MAX_BYTES);
}

proptest! {
    #[test]
    fn every_address_leads_back_wherever_they_begin(offset: u32, count in 1_usize..40) {
        let mut names = Names::beginning_at(offset);
        for number in 0..count {
            let own = name(&format!("h{number}.test"));
            let address = names.address_of(own.clone()).unwrap();
            prop_assert!(is_made_up(address));
            prop_assert!(address != Ipv4Addr::new(198, 18, 0, 0));
            prop_assert!(address != Ipv4Addr::new(198, 19, 255, 255));
            prop_assert_eq!(names.name_at(address), Some(&own));
        }
    }

    #[test]
    fn any_question_and_any_address_are_survived(
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
        address: u32,
    ) {
        let mut names = Names::beginning_at(7);
        let _answer = names.answer(&bytes);
        let address = Ipv4Addr::from(address);
        prop_assert!(names.name_at(address).is_none() || is_made_up(address));
    }
}
