//! Pushes that git never makes, byte by byte: whatever is doubtful goes no further.

use super::{GitWorld, MAIN, RAW, WEB, first, pkt, zero};

/// Bodies of pushes that are wrong in one thing each.
fn bodies(old: &str) -> Vec<(&'static str, String)> {
    let update = |name: &str| format!("{old} {} {name}", "1".repeat(40));
    let list = |first: String, rest: &[String]| [first, rest.concat(), "0000".into()].concat();
    let good = || first(&update("refs/heads/x"));
    let many = (1..300).map(|number| pkt(&update(&format!("refs/heads/{number}"))));
    let capable = |words: &str| pkt(&format!("{}\0{words}", update("refs/heads/x")));
    vec![
        ("a packet without data", list(good(), &["0004".into()])),
        ("a packet without data at first", list("0004".into(), &[good()])),
        ("a length that means nothing", list(good(), &["0003".into()])),
        ("a length beyond the bound", list(good(), &["fff1".into(), "x".repeat(65_517)])),
        ("a length in upper case", list(good(), &["000A".into(), "x".repeat(6)])),
        ("a signed push", list(first("push-cert"), &[pkt("certificate version 0.1\n")])),
        ("a certificate after a command", list(good(), &[pkt("push-cert\n")])),
        ("an unknown capability", list(capable("report-status evil"), &[])),
        ("a capability twice", list(capable("report-status atomic atomic"), &[])),
        ("a second list of capabilities", list(good(), &[first(&update("refs/heads/y"))])),
        ("a list after a probe", ["0000", &list(good(), &[])].concat()),
        ("300 commands", list(good(), &many.collect::<Vec<_>>())),
        ("a ref twice", list(good(), &[pkt(&update("refs/heads/x"))])),
        ("a ref twice but for its case", list(good(), &[pkt(&update("refs/heads/X"))])),
        ("a shallow line after a command", list(good(), &[pkt(&format!("shallow {old}"))])),
        ("a delimiter of another protocol", list(good(), &["0001".into()])),
        ("a list without its end", good()),
        ("a packet without its end", good()[..60].to_owned()),
        ("options without their end", list(capable("push-options report-status"), &[])),
        ("from nothing to nothing", list(first(&format!("{} {} {MAIN}", zero(), zero())), &[])),
        ("another hash than it says", list(capable("object-format=sha256"), &[])),
    ]
}

// threat 117
#[test]
fn a_doubtful_list_of_commands_never_arrives() {
    let world = GitWorld::new(&["acme/web"]);
    let every =
        ["code:repo.read acme/web", "code:git.push acme/web **", "code:git.delete acme/web **"];
    let mut run = world.agent("bot", &every.map(|line| ("allow", line)));
    let old = world.main("acme/web");
    let before = world.refs("acme/web");
    for (what, body) in bodies(&old) {
        let (status, said) = world.posts(&mut run, "", body.as_bytes());
        assert!(status == 400 || (status == 200 && said.contains("unpack ")), "{what}: {said}");
        assert!(said.contains("malformed."), "{what}: {status} {said}");
        assert_eq!(world.pushes(), 0, "{what}: {said}");
    }
    // It would be allowed, were it not packed, or of another kind.
    let good = [&first(&format!("{old} {} {MAIN}", zero())), "0000"].concat();
    std::fs::write(world.path("work/good"), &good).unwrap();
    let packed = format!("gzip -c good | curl -sSi {RAW} --data-binary @- -H");
    for words in
        ["'Content-Encoding: gzip'", "'Content-Encoding: x-gzip'", "'Content-Encoding: gzip, br'"]
    {
        let typed = run.types(&format!("{packed} {words} {WEB}/git-receive-pack"));
        assert!(typed.out.contains("HTTP/1.1 400 "), "{}", typed.out);
    }
    for words in ["-H 'Content-Type: text/plain'", "-H 'Git-Protocol: version=2:evil=1'"] {
        let (status, said) = world.posts(&mut run, words, good.as_bytes());
        assert_eq!(status, 400, "{words}: {said}");
    }
    // The client goes away in the middle.
    let half = &good.as_bytes()[..good.len() / 2];
    let (status, said) = world.posts(&mut run, "-m 1 -H 'Content-Length: 500'", half);
    assert_eq!(status, 0, "{said}");
    assert_eq!((world.pushes(), world.refs("acme/web")), (0, before));
}

// threat 117
#[test]
fn a_cut_within_a_packet_moves_no_boundary() {
    let world = GitWorld::new(&["acme/web"]);
    let old = world.main("acme/web");
    world.at_host("acme/web", &["update-ref", "refs/heads/old", &old]);
    let delete = ("allow", "code:git.delete acme/web refs/heads/old");
    let mut run = world.agent("bot", &[("allow", "code:repo.read acme/web"), delete]);
    let of = |name: &str| [&first(&format!("{old} {} {name}", zero())), "0000"].concat();
    for (name, words, pushes) in
        [(MAIN, "ng refs/heads/main", 0), ("refs/heads/old", "ok refs/heads/old", 1)]
    {
        std::fs::write(world.path("work/body"), of(name)).unwrap();
        let pieces = "head -c 2 body; sleep 0.1; tail -c +3 body | head -c 90; sleep 0.1; \
                      tail -c +93 body | head -c 5; sleep 0.1; tail -c +98 body";
        let curl = format!("curl -sS {RAW} -T - {WEB}/git-receive-pack");
        let typed = run.types(&format!("({pieces}) | {curl}"));
        assert!(typed.out.contains(words), "{typed:?}");
        assert_eq!(world.pushes(), pushes, "{typed:?}");
    }
    assert_eq!(world.refs("acme/web"), format!("{MAIN} {old}"));
}
