//! Frames that cost work and carry nothing (threat 91).

use super::super::world::{PATIENCE, World};
use super::{
    BAD_REQUEST, CONTINUATION, DATA, END_HEAD, END_STREAM, GET, HEADERS, OK, PING, RESET, SETTINGS,
    WHOLE, Word, answered, ended, fields, frame, request, still_serves, string,
};
use crate::GatewaySettings;

#[tokio::test]
async fn a_flood_that_carries_nothing_ends_its_connection_and_no_other() {
    const COUNT: usize = 20_000;
    let world = World::new().await;
    let refused = fields(&[&GET[..3], &[(":path", "/v2/never")]].concat());
    let rapid = |number: usize| {
        let stream = u32::try_from(number).unwrap() * 2 + 1;
        let broken_off = frame(RESET, 0, stream, &[0, 0, 0, 8]);
        [frame(HEADERS, WHOLE, stream, &refused), broken_off].concat()
    };
    let head = fields(&GET);
    let (half, rest) = head.split_at(10);
    let endless = frame(CONTINUATION, 0, 1, &[0, 1, b'x', 1, b'y']);
    for (what, flood) in [
        ("rapid reset", (0..1_000).flat_map(rapid).collect()),
        ("settings", frame(SETTINGS, 0, 0, &[]).repeat(COUNT)),
        ("pings", frame(PING, 0, 0, &[0; 8]).repeat(COUNT)),
        ("priorities", frame(2, 0, 1, &[0, 0, 0, 3, 1]).repeat(COUNT)),
        ("unknown frames", frame(0x42, 0, 0, b"?").repeat(COUNT)),
        ("continuations", [frame(HEADERS, 0, 1, half), endless.repeat(1_000)].concat()),
        (
            "empty continuations",
            [frame(HEADERS, 0, 1, half), frame(CONTINUATION, 0, 1, &[]).repeat(1_000)].concat(),
        ),
        (
            "a frame inside a head",
            [
                frame(HEADERS, END_STREAM, 1, half),
                frame(PING, 0, 0, &[0; 8]),
                frame(CONTINUATION, END_HEAD, 1, rest),
            ]
            .concat(),
        ),
        ("a long frame", frame(DATA, 0, 1, &vec![0; 16_385])),
        ("a long head", frame(HEADERS, WHOLE, 1, &vec![0; 16_385])),
    ] {
        ended(&world, &flood).await;
        assert_eq!(world.upstream_saw(), [""; 0], "{what}");
    }
    still_serves(&world).await;
}

#[tokio::test]
async fn a_head_that_unpacks_to_much_is_never_unpacked() {
    let world = World::new().await;
    // One field of 4 KiB that the table remembers (RFC 7541 §6.2.1), and then by its index alone.
    let remembered = [vec![0x40], string("x-a"), string(&"b".repeat(4_000))].concat();
    let bomb = [fields(&GET), remembered, vec![0xbe; 10_000]].concat();
    let word = answered(&world, &frame(HEADERS, WHOLE, 1, &bomb)).await;
    assert!(!matches!(word, Word::Answer(OK)), "{word:?}");
    let many: Vec<_> = (0..200).map(|_| ("x-a", "b")).collect();
    assert_eq!(answered(&world, &request(1, &many)).await, Word::Answer(BAD_REQUEST));
    assert_eq!(world.upstream_saw(), [""; 0]);
    still_serves(&world).await;
}

#[tokio::test]
async fn a_head_that_is_never_finished_is_not_waited_for() {
    let silence = PATIENCE / 5;
    let world = World::with(GatewaySettings { silence, ..GatewaySettings::default() }).await;
    let head = fields(&GET);
    for frames in [frame(HEADERS, END_STREAM, 1, &head), request(1, &[])[..20].to_vec()] {
        ended(&world, &frames).await;
    }
    still_serves(&world).await;
}
