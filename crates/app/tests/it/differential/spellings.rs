//! Hosts in every spelling that some reader takes for the one that is registered.

use super::super::support::{Marque, Upstream, World};
use super::servers;
use super::way::Way;

/// Spellings of `127.0.0.1`, or of what reaches the same machine.
const OF_LOOPBACK: &[&str] = &[
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "0x7F000001",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0177.1",
    "127.1",
    "127.0.1",
    "127.0.0.01",
    "127.0.0.1.",
    "127.0.0.0x1",
    "%31%32%37.0.0.1",
    "127%2e0.0.1",
    "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
    "127\u{3002}0\u{3002}0\u{3002}1",
    "127\u{ff0e}0\u{ff0e}0\u{ff0e}1",
    "127\u{ff61}0.0.1",
    "\u{2460}\u{2461}\u{2466}.0.0.1",
    "1\u{ad}27.0.0.1",
    "user@127.0.0.1",
    "user:word@127.0.0.1",
    "@127.0.0.1",
    "evil.test@127.0.0.1",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::1%25lo]",
    "[::1%lo]",
    "0",
    "0.0.0.0",
    "127.0.0.2",
    "127.255.255.254",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "a.localhost",
    "localhost.localdomain",
    "127.0.0.1.nip.io",
    "127.0.0.1\\",
    "127.0.0.1/",
    "127.0.0.1?",
    "127.0.0.1#",
    "127.0.0.1,evil.test",
    "127.0.0.1;a",
    "127.0.0.1%00",
    "127.0.0.1%20",
    "127.0.0.1\u{200b}",
    "256.256.256.256",
    "127.0.0.1.1",
    "4429195777",
];

/// Spellings of `registered.test`.
const OF_A_NAME: &[&str] = &[
    "registered.test.",
    "registered.test..",
    ".registered.test",
    "registered..test",
    "reg\u{131}stered.test",
    "regi\u{17f}tered.test",
    "\u{24e1}egistered.test",
    "\u{ff32}egistered.test",
    "registered\u{3002}test",
    "registered\u{ff0e}test",
    "registered\u{ff61}test",
    "registered\u{2024}test",
    "regis\u{ad}tered.test",
    "regis\u{200d}tered.test",
    "regis\u{feff}tered.test",
    "regist\u{435}red.test",
    "xn--registered-.test",
    "xn--registered.test",
    "re%67istered.test",
    "registered%2etest",
    "registered.test%00",
    "registered.test%2f",
    "user@registered.test",
    "registered.test@evil.test",
    "evil.test\\@registered.test",
    "evil.test#registered.test",
    "evil.test?registered.test",
    "evil.test/registered.test",
    "registered.test\\evil.test",
    "registered.test.evil.test",
    "evil-registered.test",
    "a.registered.test",
    "*.test",
    "registered.tes",
    "registered_.test",
    "-registered.test",
    "registered-.test",
    "[registered.test]",
    "registered.test,evil.test",
    "\"registered.test\"",
    "registered.test\t",
    "regi\tstered.test",
];

/// Spellings of port 80.
const OF_A_PORT: &[&str] = &[
    ":080",
    ":0080",
    ":+80",
    ":-80",
    ":0x50",
    ":8e1",
    ":80a",
    ":80:80",
    ":",
    ":65616",
    ":4294967376",
    ":65536",
    ":0",
    ":\u{ff18}\u{ff10}",
    ":%38%30",
    ":80.",
    ":80%20",
    ":\t80",
    ":81",
    ":http",
];

// threat 75, threat 76, threat 83
#[test]
fn no_spelling_of_a_host_but_its_own_reaches_it() {
    let world = World::new();
    let (loopback, named) = (Upstream::plain(), Upstream::plain());
    let port = loopback.address.port();
    // No pin: the address is a registered host and still one that is not dialled.
    let by_number = format!("127.0.0.1:{port}");
    let words = ["connection", "add", "number", "--no-credential", "--plain-http", "--host"];
    world.cli(&[&words[..], &[&by_number]].concat()).ok();
    world.connects("name", &named, &["--host", "registered.test", "--plain-http"]);
    let allow = ["--allow", "number:GET /**", "--allow", "name:GET /**"];
    world.cli(&[&["grant", "add", "bot", "--until", "1d"], &allow[..]].concat()).ok();
    let (_run, proxy) = world.door();

    let numbers = OF_LOOPBACK.iter().map(|host| format!("{host}:{port}"));
    let names = OF_A_NAME.iter().map(|host| (*host).to_owned());
    let ports = OF_A_PORT.iter().map(|port| format!("registered.test{port}"));
    for host in numbers.chain(names).chain(ports) {
        for (target, field) in
            [(&*host, &*host), (&*host, "registered.test"), ("registered.test", &*host)]
        {
            let head = format!("GET http://{target}/v1/a HTTP/1.1\r\nHost: {field}\r\n");
            let request = format!("{head}{}Connection: close\r\n\r\n", proxy.proof());
            let answer = proxy.says(request.as_bytes());
            assert!([400, 403].contains(&answer.status), "{target:?} {field:?}: {answer:?}");
        }
        let authority = if host.contains(':') { host } else { format!("{host}:80") };
        let answer = proxy.tunnels(&authority);
        assert!([400, 403].contains(&answer.status), "{authority:?}: {answer:?}");
    }
    let url = format!("http://{by_number}/v1/a");
    proxy.asks("GET", &url, "", "").is(502, "marque-refusal: failed.address");
    loopback.saw_nothing();
    named.saw_nothing();
    for own in ["registered.test", "REGISTERED.Test", "registered.test:80"] {
        proxy.asks("GET", &format!("http://{own}/v1/a"), "", "").is(200, "");
    }
    assert_eq!(named.saw().len(), 3);
}

// The table above is of what others take for the host; the URL standard's reader is one of them.
#[test]
fn the_spellings_are_those_that_a_url_reader_takes_for_the_host() {
    let marque = Marque::nothing_yet();
    let Some(_servers) = servers::start(marque.home(), Way::Plain) else { return };
    let count = |spellings: &[&str], meant: &str| {
        let read = servers::standard_hosts(marque.home(), spellings);
        read.iter().filter(|host| *host == meant).count()
    };
    assert!(count(OF_LOOPBACK, "127.0.0.1") >= 20);
    assert!(count(OF_A_NAME, "registered.test") >= 10);
}
