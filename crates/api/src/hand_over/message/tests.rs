//! The message against whatever bytes come.

use marque_plane::DoorKind;
use proptest::prelude::*;

use super::{MAX_BYTES, MAX_DOORS, PREFIX_BYTES, expected, read};
use crate::exchange::ProblemDocument;

fn framed(json: &[u8]) -> Vec<u8> {
    let length = u32::try_from(json.len()).unwrap();
    length.to_be_bytes().into_iter().chain(json.iter().copied()).collect()
}

fn code(bytes: &[u8]) -> String {
    ProblemDocument::from(read(bytes).err().unwrap()).code
}

#[test]
fn a_message_is_read_with_its_doors_in_their_order() {
    let json = br#"{"run":"run_1","secret":"s","doors":[{"kind":"tcp","port":443},
        {"kind":"names"},{"kind":"control"}]}"#;
    let message = read(&framed(json)).ok().unwrap();
    assert_eq!((message.run.as_str(), message.secret.expose()), ("run_1", &b"s"[..]));
    let doors = [DoorKind::Tcp { port: 443 }, DoorKind::Names, DoorKind::Control];
    assert_eq!(message.doors, doors);
}

#[test]
fn what_is_too_long_or_of_no_doors_or_of_too_many_is_refused() {
    let too_long = u32::try_from(MAX_BYTES + 1).unwrap().to_be_bytes();
    assert_eq!(code(&too_long), "too_large");
    let of = |doors: usize| {
        let doors = vec![r#"{"kind":"names"}"#; doors].join(",");
        framed(format!(r#"{{"run":"run_1","secret":"s","doors":[{doors}]}}"#).as_bytes())
    };
    assert!(read(&of(1)).is_ok() && read(&of(MAX_DOORS)).is_ok());
    assert_eq!(code(&of(0)), "bad_request");
    assert_eq!(code(&of(MAX_DOORS + 1)), "bad_request");
}

// The first member that does not parse may be the secret.
#[test]
fn an_error_quotes_nothing_of_the_message() {
    for json in [
        r#"{"run":"canary-77","secret":["canary-77"],"doors":[]}"#,
        r#"{"run":"r","secret":"s","doors":[],"canary-77":1}"#,
        r#"{"run":"r","secret":"s","doors":[{"kind":"canary-77"}]}"#,
    ] {
        let problem = ProblemDocument::from(read(&framed(json.as_bytes())).err().unwrap());
        assert!(!problem.detail.contains("canary"), "{}", problem.detail);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_what_it_reads_is_within_bounds(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        has_frame in any::<bool>(),
    ) {
        let bytes = if has_frame { framed(&bytes) } else { bytes };
        if let Ok(message) = read(&bytes) {
            prop_assert!((1..=MAX_DOORS).contains(&message.doors.len()));
        }
        if let Ok(Some(whole)) = expected(&bytes) {
            prop_assert!(whole <= PREFIX_BYTES + MAX_BYTES);
        }
    }

    #[test]
    fn a_message_that_is_cut_or_that_something_follows_is_not_read(
        cut in 0_usize..100,
        follows in proptest::collection::vec(any::<u8>(), 1..8),
    ) {
        let whole = framed(br#"{"run":"run_1","secret":"secret","doors":[{"kind":"control"}]}"#);
        prop_assert!(read(&whole).is_ok());
        prop_assert!(read(&whole[..cut.min(whole.len() - 1)]).is_err());
        prop_assert!(read(&[whole, follows].concat()).is_err());
    }
}
