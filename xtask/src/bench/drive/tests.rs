use std::time::Duration;

use super::{Load, Way};
use crate::bench::clock::Clock;
use crate::bench::replicas::upstream::Upstream;

fn way() -> Way {
    let upstream = Upstream::listen(Clock::start()).unwrap();
    let request = b"GET /v1/items/7 HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    Way { name: "it".to_owned(), address: upstream.address, connect: None, tls: None, request }
}

#[test]
fn a_closed_load_calls_again_as_soon_as_it_is_answered() {
    let ways = [way()];
    let mut load = Load::open(&ways, 3).unwrap();
    let flowed = load.closed(Duration::from_millis(300)).unwrap();
    assert!(flowed.answered > 30, "{} calls", flowed.answered);
    assert_eq!(flowed.failed, 0);
}

#[test]
fn an_open_load_counts_every_call_that_was_due() {
    let ways = [way()];
    let mut load = Load::open(&ways, 4).unwrap();
    let flowed = load.open_loop(200, Duration::from_millis(500)).unwrap();
    let due = flowed.answered + flowed.failed + flowed.owed;
    // The first is due at once, and one more may fall on the end.
    assert!((100..=101).contains(&due), "{due} calls of 100");
    assert_eq!(u64::try_from(flowed.millis.len()).unwrap(), due);
}

#[test]
fn a_load_that_is_fed_asks_each_request_once_and_ends_with_them() {
    let ways = [way()];
    let mut load = Load::open(&ways, 1).unwrap();
    let request = |number| format!("GET /v1/items/{number} HTTP/1.1\r\nHost: a\r\n\r\n");
    load.feed((0..5).map(|number| request(number).into_bytes()).collect());
    let flowed = load.closed(Duration::from_secs(60)).unwrap();
    // The last one is under way.
    assert_eq!((flowed.answered, flowed.failed), (4, 0));
    assert!(flowed.seconds < 30.0, "it goes on without requests: {} s", flowed.seconds);
}
