use proptest::prelude::*;

use super::{FIRST, Holding, LARGEST, Portion, left, reserve};
use crate::Timestamp;
use crate::limits::{Limits, Meter, OverLimit, Period};

const KIB: u64 = 1_024;

fn of(bytes: u64) -> Limits {
    Limits { bytes: Some(bytes), ..Limits::default() }
}

fn holding(bytes: u64) -> Meter {
    Meter { bytes, ..Meter::default() }
}

#[test]
fn a_call_reserves_what_it_announced_or_a_first_portion_and_never_more_than_is_left() {
    let table = [
        // limit, in the meter, announced, granted or left
        (None, 0, 0, Ok(FIRST)),
        (None, u64::MAX, 1 << 40, Ok(1 << 40)),
        (Some(1 << 30), 0, 0, Ok(FIRST)),
        (Some(1 << 30), 0, 100 * KIB, Ok(100 * KIB)),
        (Some(100 * KIB), 0, 100 * KIB, Ok(100 * KIB)),
        (Some(100 * KIB), 0, 100 * KIB + 1, Err(100 * KIB)),
        (Some(100 * KIB), 90 * KIB, 0, Ok(10 * KIB)),
        (Some(100 * KIB), 90 * KIB, 10 * KIB, Ok(10 * KIB)),
        (Some(100 * KIB), 90 * KIB, 11 * KIB, Err(10 * KIB)),
        (Some(100), 99, 0, Ok(1)),
        (Some(100), 100, 0, Err(0)),
        (Some(100), 101, 0, Err(0)),
        (Some(0), 0, 0, Err(0)),
    ];
    for (limit, bytes, announced, expected) in table {
        let limits = Limits { bytes: limit, ..Limits::default() };
        let granted = reserve(&limits, &holding(bytes), Portion::first(announced));
        let refused = |left| OverLimit::Bytes { limit: limit.unwrap_or_default(), left };
        assert_eq!(granted, expected.map_err(refused), "{limit:?} {bytes} {announced}");
    }
}

#[test]
fn portions_double_up_to_the_largest_and_are_never_too_small_for_what_is_lacking() {
    let table = [
        (10, 0, FIRST),
        (10, FIRST, 2 * FIRST),
        (3 * FIRST, FIRST, 3 * FIRST),
        (10, LARGEST / 2, LARGEST),
        (10, LARGEST, LARGEST),
        (10, u64::MAX, LARGEST),
        (LARGEST + 1, LARGEST, LARGEST + 1),
    ];
    for (least, before, most) in table {
        assert_eq!(Portion::next(least, before), Portion { least, most }, "{least} {before}");
    }
}

#[test]
fn what_was_reserved_in_vain_goes_back_and_what_flowed_stays() {
    let meter = holding(1_000).reserved(500);
    let held = Holding::default().and(500, &meter);
    assert_eq!(meter.settled(&held, 0).bytes, 1_000);
    assert_eq!(meter.settled(&held, 200).bytes, 1_200);
    assert_eq!(meter.settled(&held, 500).bytes, 1_500);
    // Nobody held these, and they count all the same.
    assert_eq!(meter.settled(&held, 700).bytes, 1_700);
}

#[test]
fn a_call_over_midnight_gives_back_what_it_reserved_after_it_and_no_more() {
    let evening = Meter { day: 1, ..Meter::default() }.reserved(100);
    let held = Holding::default().and(100, &evening);
    let morning = Meter { bytes: 0, day: 2, ..evening };
    assert_eq!(morning.settled(&held, 60).bytes, 0, "yesterday's bytes are not given back today");
    let morning = morning.reserved(50);
    let held = held.and(50, &morning);
    assert_eq!(morning.settled(&held, 60).bytes, 0);
    assert_eq!(morning.settled(&held, 120).bytes, 20, "100 of yesterday, 20 of today");
    assert_eq!(morning.settled(&held, 150).bytes, 50);
}

#[test]
fn what_is_left_is_told_where_there_is_a_limit() {
    assert_eq!(left(&Limits::default(), &holding(5)), None);
    assert_eq!((left(&of(7), &holding(5)), left(&of(3), &holding(5))), (Some(2), Some(0)));
}

/// What one of several calls does next.
#[derive(Debug, Clone)]
enum Move {
    Begin { announced: u64 },
    Flow { call: usize, bytes: u64 },
    End { call: usize },
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        (0u64..200_000).prop_map(|announced| Move::Begin { announced }),
        (0usize..8, 1u64..100_000).prop_map(|(call, bytes)| Move::Flow { call, bytes }),
        (0usize..8).prop_map(|call| Move::End { call }),
    ];
    prop::collection::vec(one, 1..120)
}

#[derive(Default)]
struct Call {
    held: Holding,
    flowed: u64,
    before: u64,
}

impl Call {
    /// Reserves a portion of `meter`; `false` if there is too little.
    fn reserves(&mut self, limits: &Limits, meter: &mut Meter, wanted: Portion) -> bool {
        let Ok(granted) = reserve(limits, meter, wanted) else { return false };
        *meter = meter.reserved(granted);
        (self.held, self.before) = (self.held.and(granted, meter), granted);
        true
    }
}

proptest! {
    #[test]
    fn no_interleaving_spends_more_than_the_limit_and_every_end_is_exact(
        limit in 0u64..2_000_000,
        moves in moves(),
    ) {
        let (limits, mut meter) = (of(limit), Meter::default());
        let (mut calls, mut ended): (Vec<Call>, u64) = (Vec::new(), 0);
        for one in moves {
            match one {
                Move::Begin { announced } => {
                    let mut call = Call::default();
                    if call.reserves(&limits, &mut meter, Portion::first(announced)) {
                        calls.push(call);
                    }
                }
                Move::Flow { call, bytes } => {
                    if let Some(call) = calls.get_mut(call) {
                        let lacks = (call.flowed + bytes).saturating_sub(call.held.bytes);
                        let wanted = Portion::next(lacks, call.before);
                        if lacks == 0 || call.reserves(&limits, &mut meter, wanted) {
                            call.flowed += bytes;
                        }
                    }
                }
                Move::End { call } => {
                    if call < calls.len() {
                        let call = calls.swap_remove(call);
                        meter = meter.settled(&call.held, call.flowed);
                        ended += call.flowed;
                    }
                }
            }
            let flowed: u64 = ended + calls.iter().map(|call| call.flowed).sum::<u64>();
            let held: u64 = ended + calls.iter().map(|call| call.held.bytes).sum::<u64>();
            prop_assert!(flowed <= meter.bytes && meter.bytes <= limit);
            prop_assert_eq!(meter.bytes, held);
        }
        for call in calls {
            meter = meter.settled(&call.held, call.flowed);
            ended += call.flowed;
        }
        prop_assert_eq!(meter.bytes, ended);
    }

    #[test]
    fn over_any_midnights_a_day_never_holds_more_than_its_limit(
        limit in 1u64..500_000,
        steps in prop::collection::vec((0u64..20_000_000, 1u64..100_000), 1..60),
    ) {
        let limits = of(limit);
        let mut meter = Meter::default();
        let (mut call, mut now) = (Call::default(), 86_400_000u64);
        for (millis, bytes) in steps {
            now += millis;
            meter = meter.at(Period::Day, Timestamp::from_millis(now));
            let lacks = (call.flowed + bytes).saturating_sub(call.held.bytes);
            let wanted = Portion::next(lacks, call.before);
            if lacks == 0 || call.reserves(&limits, &mut meter, wanted) {
                call.flowed += bytes;
            } else {
                meter = meter.settled(&call.held, call.flowed);
                call = Call::default();
            }
            prop_assert!(meter.bytes <= limit);
        }
    }
}
