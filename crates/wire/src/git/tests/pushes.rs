use super::super::push::*;
use super::super::*;
use super::*;

const ZERO: &str = "0000000000000000000000000000000000000000";
const ONE: &str = "1111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222";
const CAPS: &str = " report-status-v2 side-band-64k object-format=sha1 agent=git/2.47.3";

fn read(body: &[u8]) -> Result<Push, BadPush> {
    read_cut(body, &[body.len().max(1)]).0
}

/// What a reader makes of `body`, cut like this, and how it may be answered.
fn read_cut(body: &[u8], sizes: &[usize]) -> (Result<Push, BadPush>, Option<ReportStyle>) {
    let mut reader = PushReader::new();
    let _ = in_slices(body, sizes, |slice| reader.feed(slice).map(drop));
    let style = reader.answerable();
    (reader.finish(), style)
}

fn line(old: &str, new: &str, name: &str) -> String {
    format!("{old} {new} {name}")
}

fn first(old: &str, new: &str, name: &str) -> String {
    format!("{old} {new} {name}\0{CAPS}")
}

/// A push of these lines after a well-formed first command.
fn read_after(lines: &[&str]) -> Result<Push, BadPush> {
    let first = first(ZERO, ONE, "refs/heads/agent/a");
    read(&text_packets(&[&[first.as_str()], lines].concat()))
}

#[test]
fn a_push_is_read_up_to_its_pack() {
    let mut body = text_packets(&[
        &format!("shallow {TWO}\n"),
        &first(ZERO, ONE, "refs/heads/agent/a"),
        &line(ONE, TWO, "refs/heads/main"),
        &line(TWO, ZERO, "refs/tags/PACK"),
        "",
    ]);
    body.extend_from_slice(b"PACK\0\0\0\x02zzzz");
    let push = read(&body).unwrap();
    let told: Vec<_> =
        push.commands.iter().map(|command| (command.kind(), command.reference.as_str())).collect();
    assert_eq!(
        told,
        [
            (CommandKind::Create, "refs/heads/agent/a"),
            (CommandKind::Update, "refs/heads/main"),
            (CommandKind::Delete, "refs/tags/PACK"),
        ]
    );
    assert!(!push.shallow.is_empty() && !push.is_probe() && !push.capabilities.atomic);
    assert_eq!(push.capabilities.report, Some(ReportStyle { side_band: true }));
}

// threat 117: a delete has no pack, so nothing may wait for one.
#[test]
fn threat_117_a_push_that_only_deletes_is_complete_at_its_flush() {
    let mut reader = PushReader::new();
    let body = text_packets(&[&first(ONE, ZERO, "refs/heads/x"), ""]);
    assert_eq!(reader.feed(&body[..body.len() - 1]), Ok(Fed::More));
    assert_eq!(reader.feed(&body[body.len() - 1..]), Ok(Fed::Done));
    assert_eq!(reader.feed(b"anything"), Ok(Fed::Done));
    assert_eq!(reader.finish().unwrap().commands[0].kind(), CommandKind::Delete);
}

#[test]
fn a_bare_flush_is_a_probe_only_where_the_body_ends() {
    let mut reader = PushReader::new();
    assert_eq!(reader.feed(b"0000"), Ok(Fed::More));
    assert!(reader.finish().unwrap().is_probe());
    assert_eq!(read(b"0000PACK"), Err(BadPush::AfterProbe));
    let hidden = [b"0000".to_vec(), text_packets(&[&first(ZERO, ONE, "refs/heads/x"), ""])];
    assert_eq!(read(&hidden.concat()), Err(BadPush::AfterProbe));
    assert_eq!(read(b""), Err(BadPush::Truncated));
    assert_eq!(read(b"000"), Err(BadPush::Truncated));
}

#[test]
fn threat_116_one_bad_ref_refuses_the_whole_push() {
    let cases = [
        ("refs/heads/ma%69n", BadRefName::NotPlain),
        ("HEAD:refs/heads/main", BadRefName::Malformed),
        ("+refs/heads/main", BadRefName::NotFull),
        (":main", BadRefName::Malformed),
        ("main", BadRefName::NotFull),
        ("HEAD", BadRefName::NotFull),
        ("refs/heads/main.lock", BadRefName::Malformed),
        ("refs/heads/a refs/heads/main", BadRefName::NotPlain),
    ];
    for (name, fault) in cases {
        let verdict = read_after(&[&line(ZERO, ONE, name), ""]);
        assert_eq!(verdict, Err(BadPush::Command(BadCommand::Ref(fault))), "{name}");
    }
}

#[test]
fn threat_116_two_commands_for_one_ref_are_refused_in_any_case() {
    for name in ["refs/heads/agent/a", "refs/heads/Agent/A", "refs/HEADS/agent/a"] {
        let verdict = read_after(&[&line(ONE, TWO, name), ""]);
        assert_eq!(verdict, Err(BadPush::SameRef), "{name}");
    }
}

#[test]
fn threat_117_lines_that_do_not_belong_are_refused() {
    let zero = line(ZERO, ZERO, "refs/heads/b");
    let cut = format!("{ONE} {TWO}");
    let upper = line(ZERO, &"A".repeat(40), "refs/heads/b");
    let wide = line(&"0".repeat(64), &"1".repeat(64), "refs/heads/b");
    let mixed = line(ZERO, &"1".repeat(64), "refs/heads/b");
    let again = first(ZERO, ONE, "refs/heads/b");
    let shallow = format!("shallow {ONE}");
    let command = |fault| Err(BadPush::Command(fault));
    assert_eq!(read_after(&[&zero, ""]), command(BadCommand::Nothing));
    assert_eq!(read_after(&[&cut, ""]), command(BadCommand::Malformed));
    assert_eq!(read_after(&["PACK", ""]), command(BadCommand::Malformed));
    assert_eq!(read_after(&[&upper, ""]), command(BadCommand::ObjectId(BadObjectId)));
    assert_eq!(read_after(&[&wide, ""]), Err(BadPush::MixedFormats));
    assert_eq!(read_after(&[&mixed, ""]), Err(BadPush::MixedFormats));
    assert_eq!(read_after(&[&again, ""]), Err(BadPush::Capability(BadCapability::Repeated)));
    assert_eq!(read_after(&[&shallow, ""]), Err(BadPush::Shallow));
    assert_eq!(read_after(&["|"]), Err(BadPush::Boundary));
    assert_eq!(read_after(&[]), Err(BadPush::Truncated));
    assert_eq!(read(&text_packets(&[&shallow, ""])), Err(BadPush::Shallow));
    assert_eq!(read(&text_packets(&["shallow x", ""])), Err(BadPush::ObjectId(BadObjectId)));
    assert_eq!(read(b"0004"), Err(BadPush::Pkt(pkt::BadPkt::Empty)));
    assert_eq!(read(b"0003"), Err(BadPush::Pkt(pkt::BadPkt::Reserved)));
    assert_eq!(read(b"PACK"), Err(BadPush::Pkt(pkt::BadPkt::BadLength)));
    assert_eq!(read(b"\x1f\x8b\x08\0"), Err(BadPush::Pkt(pkt::BadPkt::BadLength)));
}

#[test]
fn threat_117_a_signed_push_is_refused_by_name() {
    let cert = format!("push-cert\0{CAPS} push-cert=nonce\n");
    let (verdict, style) = read_cut(&text_packets(&[&cert, "certificate version 0.1\n"]), &[7]);
    assert_eq!(verdict, Err(BadPush::Signed));
    assert_eq!(style, Some(ReportStyle { side_band: true }), "it can be told in the protocol");
}

#[test]
fn threat_117_capabilities_are_a_closed_list() {
    let list =
        |list: &str| read(&text_packets(&[&format!("{ZERO} {ONE} refs/heads/a\0{list}"), ""]));
    let refused = |fault| Err(BadPush::Capability(fault));
    for odd in ["push-cert=x", "side-band", "quiet=1", "agent", "Atomic", "object-format=sha512"] {
        assert_eq!(list(odd), refused(BadCapability::Unknown), "{odd}");
    }
    assert_eq!(list("atomic atomic"), refused(BadCapability::Repeated));
    let two_formats = "object-format=sha1 object-format=sha256";
    assert_eq!(list(two_formats), refused(BadCapability::Repeated));
    assert_eq!(list("atomic\0quiet"), refused(BadCapability::NotPlain));
    assert_eq!(list("atomic\tquiet"), refused(BadCapability::NotPlain));
    assert_eq!(list("object-format=sha256"), Err(BadPush::MixedFormats));
    let push = list("atomic quiet delete-refs ofs-delta report-status session-id=x").unwrap();
    assert!(push.capabilities.atomic);
    assert_eq!(push.capabilities.report, Some(ReportStyle { side_band: false }));
    assert_eq!(list("").unwrap().capabilities, Capabilities::default());
    let none = format!("{ZERO} {ONE} refs/heads/a\n");
    assert_eq!(read(&text_packets(&[&none, ""])).unwrap().capabilities.report, None);
}

#[test]
fn a_sha256_repository_is_pushed_to_with_long_ids() {
    let (zero, one) = ("0".repeat(64), "1".repeat(64));
    let command = format!("{zero} {one} refs/heads/a\0object-format=sha256");
    let push = read(&text_packets(&[&command, ""])).unwrap();
    assert_eq!(push.capabilities.object_format, ObjectFormat::Sha256);
    let unsaid = format!("{zero} {one} refs/heads/a\0atomic");
    assert_eq!(read(&text_packets(&[&unsaid, ""])), Err(BadPush::MixedFormats));
}

// threat 117: options that skip the checks of the server are told to whoever decides.
#[test]
fn threat_117_push_options_are_read_where_they_are_announced() {
    let command = format!("{ZERO} {ONE} refs/heads/a\0{CAPS} push-options");
    let with = |options: &[&str]| {
        let lines = [&[command.as_str(), ""], options].concat();
        read(&text_packets(&lines))
    };
    let push = with(&["ci.skip", "merge_request.target=a=b", ""]).unwrap();
    let keys: Vec<_> = push.options.iter().map(PushOption::key).collect();
    assert_eq!(keys, ["ci.skip", "merge_request.target"]);
    assert_eq!(push.options[1].as_str(), "merge_request.target=a=b");
    assert_eq!(with(&[""]).unwrap().options, []);
    assert_eq!(with(&[]), Err(BadPush::Truncated), "the options have a flush of their own");
    for odd in ["a\nb", "\x1b[2J", "a\0b", "\u{202e}piks", "a\u{200b}", "\n"] {
        assert_eq!(with(&[odd, ""]), Err(BadPush::Option), "{odd:?}");
    }
    let long = "x".repeat(OPTION_MAX_BYTES + 1);
    assert!(with(&[&long[1..], ""]).is_ok());
    assert_eq!(with(&[&long, ""]), Err(BadPush::Option));
    assert_eq!(with(&["x"; OPTIONS_MAX + 1]), Err(BadPush::TooManyOptions));
}

#[test]
fn threat_117_a_push_beyond_its_bounds_is_refused() {
    let names: Vec<_> =
        (0..COMMANDS_MAX).map(|at| line(ZERO, ONE, &format!("refs/heads/b{at}"))).collect();
    let mut lines: Vec<_> = names.iter().map(String::as_str).collect();
    assert_eq!(read_after(&lines), Err(BadPush::TooManyCommands));
    lines.truncate(COMMANDS_MAX - 1);
    lines.push("");
    assert_eq!(read_after(&lines).unwrap().commands.len(), COMMANDS_MAX);
    let shallow = format!("shallow {ONE}\n");
    let many = vec![shallow.as_str(); SHALLOW_MAX + 1];
    assert_eq!(read(&text_packets(&many)), Err(BadPush::TooManyShallow));
    let name = format!("refs/heads/{}", "a".repeat(REF_MAX_BYTES));
    let verdict = read_after(&[&line(ZERO, ONE, &name)]);
    assert_eq!(verdict, Err(BadPush::Command(BadCommand::Ref(BadRefName::TooLong))));
}

#[test]
fn a_refusal_is_final_and_names_the_refs_read_so_far() {
    let mut reader = PushReader::new();
    let body = text_packets(&[&first(ZERO, ONE, "refs/heads/a"), "nonsense"]);
    let fault = BadPush::Command(BadCommand::Malformed);
    assert_eq!(reader.feed(&body), Err(fault));
    assert_eq!(reader.feed(b"0000"), Err(fault));
    assert_eq!(reader.refs().map(RefName::as_str).collect::<Vec<_>>(), ["refs/heads/a"]);
    assert_eq!(reader.answerable(), Some(ReportStyle { side_band: true }));
    assert_eq!(reader.finish(), Err(fault));
}

fn oid() -> impl Strategy<Value = String> {
    prop_oneof!["[0-9a-f]{40}", Just(ZERO.to_owned())]
}

proptest! {
    #[test]
    fn a_printed_push_parses_back(
        ids in prop::collection::vec((oid(), "[1-9a-f]{40}", any::<bool>()), 1..8),
        // `|` alone stands for a delimiter in these tests.
        options in prop::collection::vec("[ -{}~][ -~]{0,19}", 0..4),
        shallow in prop::collection::vec("[0-9a-f]{40}", 0..3),
        sizes in cuts(),
    ) {
        let commands: Vec<_> = ids
            .iter()
            .enumerate()
            .map(|(at, (one, other, swap))| {
                let (old, new) = if *swap { (other, one) } else { (one, other) };
                line(old, new, &format!("refs/heads/b{at}"))
            })
            .collect();
        let mut lines: Vec<_> = shallow.iter().map(|id| format!("shallow {id}\n")).collect();
        lines.push(format!("{}\0{CAPS} push-options", commands[0]));
        lines.extend(commands[1..].iter().cloned());
        lines.push(String::new());
        lines.extend(options.iter().cloned());
        lines.push(String::new());
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let push = read_cut(&text_packets(&lines), &sizes).0.unwrap();
        let printed: Vec<_> = push.commands.iter().map(ToString::to_string).collect();
        prop_assert_eq!(printed, commands);
        let told: Vec<_> = push.options.iter().map(PushOption::as_str).collect();
        prop_assert_eq!(told, options);
        prop_assert_eq!(push.shallow.len(), shallow.len());
    }

    #[test]
    fn the_verdict_on_a_push_does_not_depend_on_how_it_is_cut(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                b"0000".to_vec(),
                b"0001".to_vec(),
                b"PACK".to_vec(),
                b"00".to_vec(),
                text_packets(&[&first(ZERO, ONE, "refs/heads/a")]),
                text_packets(&[&format!("{ZERO} {ONE} refs/heads/a\0report-status push-options")]),
                text_packets(&[&line(ONE, TWO, "refs/heads/b")]),
                text_packets(&[&line(ONE, TWO, "refs/heads/c\n")]),
                text_packets(&[&format!("shallow {ONE}")]),
                text_packets(&["ci.skip"]),
            ]),
            0..6,
        ),
        sizes in cuts(),
    ) {
        let body = parts.concat();
        prop_assert_eq!(read_cut(&body, &[body.len().max(1)]), read_cut(&body, &sizes));
    }

    #[test]
    fn any_bytes_at_all_get_a_verdict(
        body in prop::collection::vec(any::<u8>(), 0..200),
        length in 5..200usize,
        sizes in cuts(),
    ) {
        let framed = [format!("{length:04x}").into_bytes(), body.clone()].concat();
        for body in [body, framed] {
            prop_assert_eq!(read_cut(&body, &[body.len().max(1)]), read_cut(&body, &sizes));
        }
    }
}
