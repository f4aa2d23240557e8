//! Token status lists: the vectors of draft-ietf-oauth-status-list, and lists that are broken.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::json;

use super::*;

#[test]
fn the_short_lists_of_the_draft_read_as_it_says() {
    let read = |bits, packed: &str| {
        let list = StatusList::unpack(bits, packed).unwrap();
        (0..list.places()).map(|place| list.status(place).unwrap()).collect::<Vec<_>>()
    };
    let status = |value| match value {
        0 => Status::Valid,
        1 => Status::Invalid,
        2 => Status::Suspended,
        value => Status::Other(value),
    };
    let one = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1].map(status);
    assert_eq!(read(StatusBits::One, "eNrbuRgAAhcBXQ"), one);
    let two = [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3].map(status);
    assert_eq!(read(StatusBits::Two, "eNo76fITAAPfAgc"), two);
}

/// Of a million places, those that are revoked.
const REVOKED: [usize; 11] =
    [0, 1993, 25460, 159_495, 495_669, 554_353, 645_645, 723_232, 854_545, 934_534, 1_000_345];
const LONG: &str = concat!(
    "78daeddc010dc0200c0041a88249400ad2903e0f4bba00bd93f002beb7a2a2010000a91e0900000000000000",
    "0000000000000000807296040000000000000000000000000000000000000000000000000000000000000000",
    "00000000000000005c6f4800000000000000fc2c240000000000000000000000be1b12000000000000000000",
    "ecaa4b000000000000000000000000000000009b0b0900000000000000000038de9400000000000000002a30",
    "cc010000000080642f0bd8011b",
);

#[test]
fn a_list_of_a_million_places_comes_back_from_what_it_is_packed_in() {
    let mut list = StatusList::new(StatusBits::One, 1 << 20).unwrap();
    for place in REVOKED {
        list.set(place, Status::Invalid).unwrap();
    }
    let again = StatusList::unpack(StatusBits::One, &list.pack().unwrap()).unwrap();
    assert_eq!(again, list);
    assert_eq!(revoked(&again), REVOKED);
    let bytes = LONG.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    let bytes: Vec<u8> = bytes.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    let of_draft = StatusList::unpack(StatusBits::One, &crate::jose::encode(&bytes)).unwrap();
    assert_eq!(of_draft, list, "appendix C of the draft");
}

fn revoked(list: &StatusList) -> Vec<usize> {
    (0..list.places()).filter(|place| list.status(*place) == Ok(Status::Invalid)).collect()
}

#[test]
fn every_status_keeps_to_its_own_place() {
    for bits in [StatusBits::One, StatusBits::Two, StatusBits::Four, StatusBits::Eight] {
        let most = 1_u16 << bits.count();
        let mut list = StatusList::new(bits, 33).unwrap();
        let value = |place: usize| u8::try_from(place * 7 % usize::from(most)).unwrap();
        let status = |value| match value {
            0 => Status::Valid,
            1 => Status::Invalid,
            2 => Status::Suspended,
            value => Status::Other(value),
        };
        for place in 0..33 {
            list.set(place, status(value(place))).unwrap();
        }
        for place in 0..33 {
            assert_eq!(list.status(place), Ok(status(value(place))), "{bits:?} {place}");
        }
        list.set(32, Status::Valid).unwrap();
        assert_eq!(list.status(32), Ok(Status::Valid));
        assert_eq!(list.status(list.places()), Err(BadStatusList::OutOfRange));
        assert_eq!(list.set(usize::MAX, Status::Valid), Err(BadStatusList::OutOfRange));
        if most <= 255 {
            let too_much = Status::Other(u8::try_from(most).unwrap());
            assert_eq!(list.set(0, too_much), Err(BadStatusList::Bits));
        }
    }
    assert_eq!(StatusList::new(StatusBits::One, 1 << 24), Err(BadStatusList::TooLong));
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

// threat 19: a small stream that unpacks without end.
#[test]
fn threat_19_a_stream_that_is_broken_or_endless_is_refused() {
    let unpack = |bytes: &[u8]| StatusList::unpack(StatusBits::One, &crate::jose::encode(bytes));
    let whole = packed(&[7; 100]);
    assert!(unpack(&whole).is_ok());
    for cut in 0..whole.len() {
        assert_eq!(unpack(&whole[..cut]).err(), Some(BadStatusList::Packing), "cut at {cut}");
    }
    assert_eq!(unpack(&[&whole[..], &[0]].concat()).err(), Some(BadStatusList::Packing));
    assert_eq!(unpack(&[&whole[..], &whole[..]].concat()).err(), Some(BadStatusList::Packing));
    let bomb = packed(&vec![0; 64 * 1024 * 1024]);
    assert_eq!(unpack(&bomb).err(), Some(BadStatusList::TooLong));
    for text in ["eNrbuRgAAhcBXQ==", "eNrbuRgAAhcBXR", "+/", " "] {
        let refused = StatusList::unpack(StatusBits::One, text);
        assert_eq!(refused.err(), Some(BadStatusList::Packing), "{text}");
    }
}

const NOW: u64 = 1_795_316_400;

fn read(members: &[(&str, Value)]) -> Result<StatusListClaims, BadStatusList> {
    let claims = format!(
        r#"{{"sub":"https://id.acme.example/status/17","iat":{},"exp":{},"ttl":600,
            "status_list":{{"bits":1,"lst":"eNrbuRgAAhcBXQ"}}}}"#,
        NOW - 100,
        NOW + 100
    );
    let uri = Resource::parse("https://id.acme.example/status/17").unwrap();
    let token = verified(TokenClass::StatusList, &changed(&claims, members));
    StatusListClaims::read(token, &uri, at(NOW))
}

#[test]
fn a_signed_list_is_the_one_that_was_asked_for_and_fresh() {
    let list = read(&[]).unwrap();
    assert_eq!(list.list.status(0), Ok(Status::Invalid));
    let again = verified(TokenClass::StatusList, &list.to_json().unwrap());
    assert_eq!(StatusListClaims::read(again, &list.sub, at(NOW)).unwrap(), list);
    assert!(read(&[("exp", Value::Null), ("ttl", Value::Null)]).is_ok());
    let other = json!("https://id.acme.example/status/18");
    assert_eq!(read(&[("sub", other)]).err(), Some(BadStatusList::OtherList));
    assert_eq!(read(&[("exp", json!(NOW))]).err(), Some(BadStatusList::Expired));
    assert_eq!(read(&[("ttl", json!(99))]).err(), Some(BadStatusList::Stale));
    for list in [
        json!({"bits": 3, "lst": "eNrbuRgAAhcBXQ"}),
        json!({"bits": 0, "lst": "eNrbuRgAAhcBXQ"}),
        json!({"bits": "1", "lst": "eNrbuRgAAhcBXQ"}),
        json!({"lst": "eNrbuRgAAhcBXQ"}),
        json!({"bits": 1}),
        json!([]),
    ] {
        let refused = read(&[("status_list", list.clone())]);
        assert!(matches!(refused, Err(BadStatusList::Claim(_))), "{list}");
    }
    for name in ["sub", "iat", "status_list"] {
        assert!(matches!(read(&[(name, Value::Null)]), Err(BadStatusList::Claim(_))), "{name}");
    }
}
