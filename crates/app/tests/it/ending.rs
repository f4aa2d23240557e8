//! The server's own end: bounded, and with everything recorded that is known.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::support::{Json, PASSPHRASE, Proxy, World};

/// What is under way gets 5 s; the rest is for a busy machine.
const IN_TIME: Duration = Duration::from_secs(9);

/// A run that no launcher holds yet, so that nothing but the server's end cuts its streams.
fn opens_without_a_launcher(world: &World) -> Proxy {
    let spec = r#"{"agent":"bot","task":null,"on_behalf_of":null,"file_mandate":null,
        "mandate":{"allow":[],"ask":[],"never":[]},"limits":{},"ttl_secs":600,"tier":"advisory"}"#;
    let (socket, factor) = (world.socket(), format!("alice:{PASSPHRASE}"));
    let words = [
        "-sS",
        "--unix-socket",
        socket.to_str().unwrap(),
        "-u",
        &factor,
        "-d",
        spec,
        "http://m/v1/runs",
    ];
    let opened = world.tool("curl", &words).json();
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let address = text(&opened["proxy"]).parse().unwrap();
    Proxy { address, run: text(&opened["run"]["id"]), secret: text(&opened["secret"]) }
}

#[test]
fn a_server_that_is_told_to_end_cuts_what_goes_on_and_records_how_it_went() {
    let mut world = World::new();
    let proxy = opens_without_a_launcher(&world);
    let mut stream = proxy.connects();
    let head = "GET http://plain.test/v1/slow HTTP/1.1\r\nHost: plain.test\r\n";
    stream.write_all(format!("{head}{}\r\n", proxy.proof()).as_bytes()).unwrap();
    assert_ne!(stream.read(&mut [0; 4096]).unwrap(), 0);
    let mut half_asked = UnixStream::connect(world.socket()).unwrap();
    half_asked.write_all(b"GET /v1/status HTTP/1.1\r\nhost: mar").unwrap();

    let told = Instant::now();
    assert_eq!(world.stop(), Some(0));
    assert!(told.elapsed() < IN_TIME, "it took {:?}", told.elapsed());
    let output = world.server_output();
    assert!(!output.contains("still under way"), "{output}");
    let mut rest = Vec::new();
    assert!(stream.read_to_end(&mut rest).is_err(), "a cut stream must not look whole");

    world.serve();
    let outcomes = world.json(&["log", "query", "--event", "outcome", "--run", &proxy.run]);
    let outcomes = outcomes.as_array().unwrap();
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    assert_ne!(outcomes[0]["event"]["result"]["result"], "unknown", "{outcomes:?}");
    assert_eq!(world.json(&["log", "verify"])["ok"], true);
}
