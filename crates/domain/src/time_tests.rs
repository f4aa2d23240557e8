use std::time::Duration;

use super::{Timestamp, parse_span, print_span};

#[test]
fn a_moment_prints_as_rfc_3339_and_parses_back() {
    let moment = Timestamp::from_millis(1_795_000_000_123);
    assert_eq!(moment.to_string(), "2026-11-18T11:06:40.123Z");
    assert_eq!(moment.to_string().parse(), Ok(moment));
}

#[test]
fn a_moment_never_wraps() {
    assert_eq!(Timestamp::MAX.plus(Duration::MAX), Timestamp::MAX);
    assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(9)), Duration::ZERO);
}

#[test]
fn a_span_needs_a_number_and_a_unit() {
    assert_eq!(parse_span("60m"), Ok(Duration::from_secs(3_600)));
    assert_eq!(print_span(Duration::from_secs(3_600)), "1h");
    for bad in ["", "m", "0s", "-5m", "1.5h", "5", "5w", "99999999999999999999d", "+5m", "5é"] {
        assert!(parse_span(bad).is_err(), "`{bad}` must not parse");
    }
}
