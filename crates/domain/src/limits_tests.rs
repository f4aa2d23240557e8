use std::time::Duration;

use proptest::prelude::*;

use super::{Limits, Meter, OverLimit, Period, spend};
use crate::Timestamp;

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn a_burst_passes_and_then_the_rate_holds() {
    let limits = Limits { calls_per_minute: Some(60), burst: Some(2), ..Limits::default() };
    let now = Timestamp::from_millis(1_000_000);
    let one = spend(&limits, &Meter::default(), now).unwrap();
    let two = spend(&limits, &one, now).unwrap();
    let wait = OverLimit::Rate { limit: 60, wait_millis: 1_000 };
    assert_eq!(spend(&limits, &two, now), Err(wait));
    assert!(spend(&limits, &two, now.plus(Duration::from_secs(1))).is_ok());
}

#[test]
fn the_total_is_exact_and_zero_means_none() {
    let limits = Limits { calls: Some(1), ..Limits::default() };
    let now = Timestamp::from_millis(1);
    let one = spend(&limits, &Meter::default(), now).unwrap();
    assert_eq!(spend(&limits, &one, now), Err(OverLimit::Calls { limit: 1 }));
    let none = Limits { calls_per_minute: Some(0), ..Limits::default() };
    assert!(spend(&none, &Meter::default(), now).is_err());
}

#[test]
fn a_new_day_begins_at_nothing_and_keeps_the_rate() {
    let night = Timestamp::from_millis(86_400_000 * 3 - 1);
    let spent = Meter { earned_at_micros: 7, calls: 5, bytes: 9, day: 0 }.at(Period::Day, night);
    assert_eq!(spent, Meter { earned_at_micros: 7, calls: 0, bytes: 0, day: 2 });
    let spent = Meter { calls: 5, bytes: 9, ..spent };
    assert_eq!(spent.at(Period::Day, night), spent);
    let morning = spent.at(Period::Day, night.plus(Duration::from_millis(1)));
    assert_eq!(morning, Meter { earned_at_micros: 7, calls: 0, bytes: 0, day: 3 });
}

#[test]
fn a_clock_that_steps_back_over_midnight_gives_no_second_budget() {
    let noon = Timestamp::from_millis(86_400_000 * 10 + 43_200_000);
    let spent = Meter { calls: 5, bytes: 9, day: 11, ..Meter::default() };
    assert_eq!(spent.at(Period::Day, noon), spent);
    assert_eq!(spent.at(Period::Day, noon.plus(DAY)), spent);
    assert_eq!(spent.at(Period::Day, noon.plus(2 * DAY)).calls, 0);
}

#[test]
fn the_meter_of_a_run_knows_no_days() {
    let spent = Meter { calls: 5, bytes: 9, ..Meter::default() };
    assert_eq!(spent.at(Period::Life, Timestamp::MAX), spent);
}

#[test]
fn what_was_written_before_bytes_counted_reads_as_it_was_and_is_written_the_same() {
    let old = r#"{"earned_at_micros":5,"calls":3}"#;
    let meter: Meter = serde_json::from_str(old).unwrap();
    assert_eq!(meter, Meter { earned_at_micros: 5, calls: 3, bytes: 0, day: 0 });
    assert_eq!(serde_json::to_string(&meter).unwrap(), old);
    let old = r#"{"calls_per_minute":60,"burst":null,"calls":null}"#;
    let limits: Limits = serde_json::from_str(old).unwrap();
    assert_eq!(limits, Limits { calls_per_minute: Some(60), ..Limits::default() });
}

#[test]
fn new_limits_take_the_place_of_those_they_name() {
    let old = Limits { calls_per_minute: Some(60), bytes: Some(5), ..Limits::default() };
    let new = Limits { calls: Some(3), bytes: Some(7), ..Limits::default() };
    let both = Limits { calls: Some(3), bytes: Some(7), ..old };
    assert_eq!(old.overlaid(new), both);
    let lines = ["60 calls a minute", "3 calls a day", "7B a day"];
    assert_eq!(both.lines(Period::Day), lines);
    assert!(Limits::default().lines(Period::Life).is_empty());
}

proptest! {
    // A clock that steps back never earns anything.
    #[test]
    fn no_order_of_moments_passes_more_than_burst_and_rate(
        steps in prop::collection::vec(0u64..5_000, 1..200),
    ) {
        let limits =
            Limits { calls_per_minute: Some(120), burst: Some(5), ..Limits::default() };
        let (mut meter, mut passed) = (Meter::default(), 0u64);
        let start = 1_000_000;
        for step in &steps {
            if let Ok(next) = spend(&limits, &meter, Timestamp::from_millis(start + step)) {
                (meter, passed) = (next, passed + 1);
            }
        }
        let span = steps.iter().max().unwrap() - steps.iter().min().unwrap();
        prop_assert!(passed <= 5 + span / 500 + 1);
    }
}
