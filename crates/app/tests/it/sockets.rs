//! A WebSocket through a run: opened because it is listed, decided message by message.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marque_crypto::hash::sha1;

use super::support::{CREDENTIAL, World, eventually};

/// Says "one", waits for the file `go`, says "two"; prints what it hears (RFC 6455 §5.2).
const CLIENT: &str = r#"
import os, socket, struct, sys, time, urllib.parse, base64
proxy = urllib.parse.urlparse(os.environ['http_proxy'])
proof = base64.b64encode(f'{proxy.username}:{proxy.password}'.encode()).decode()
s = socket.create_connection((proxy.hostname, proxy.port))
s.settimeout(30)
s.sendall(('GET http://live.test/v1/stream HTTP/1.1\r\nHost: live.test\r\n'
    f'Proxy-Authorization: Basic {proof}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n').encode())
head = b''
while not head.endswith(b'\r\n\r\n'):
    head += s.recv(1)
print(head.split(b'\r\n')[0].decode(), flush=True)
if b' 101 ' not in head:
    sys.exit(1)
def say(text):
    s.sendall(bytes([0x81, 0x80 | len(text)]) + b'\0\0\0\0' + text)
def hear():
    kind, size = s.recv(2)
    data = b''
    while len(data) < size:
        data += s.recv(size - len(data))
    if kind == 0x88:
        return f'closed {struct.unpack(">H", data[:2])[0]} {data[2:].decode()}'
    return data.decode()
say(b'one')
print(hear(), flush=True)
while not os.path.exists('go'):
    time.sleep(0.01)
say(b'two')
print(hear(), flush=True)
"#;

/// Repeats what it hears, with the credential it was given.
fn far_end() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
    let saw = Arc::clone(&seen);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                head.push(char::from(some::<1>(&mut stream).unwrap()[0]));
            }
            let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
            let key = field("sec-websocket-key: ").unwrap();
            let token = field("authorization: Bearer ").unwrap().to_owned();
            let key = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: {}\r\n\r\n",
                STANDARD.encode(sha1(key.as_bytes()))
            );
            stream.write_all(answer.as_bytes()).unwrap();
            while let Some([0x81, size]) = some::<2>(&mut stream) {
                let mask = some::<4>(&mut stream).unwrap();
                let mut data = vec![0; usize::from(size & 0x7f)];
                stream.read_exact(&mut data).unwrap();
                data.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
                let heard = String::from_utf8(data).unwrap();
                let told = format!("{heard} {token}");
                saw.lock().unwrap().push(heard);
                let frame = [&[0x81, u8::try_from(told.len()).unwrap()], told.as_bytes()].concat();
                stream.write_all(&frame).unwrap();
            }
        }
    });
    (address, seen)
}

fn some<const N: usize>(stream: &mut impl Read) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).ok().map(|()| bytes)
}

// threat 81, threat 90
#[test]
fn a_listed_socket_is_decided_message_by_message_until_the_grant_is_gone() {
    let world = World::new();
    let (address, seen) = far_end();
    let (pin, secret) = (address.to_string(), world.path("secret"));
    let secret = ["--bearer", "--secret-file", secret.to_str().unwrap()];
    let host = ["--host", "live.test", "--plain-http", "--pin", &pin];
    world.cli(&[&["connection", "add", "live"][..], &host, &secret].concat()).ok();
    let everything = ["live:read /v1/**", "live:write /v1/**"];
    let lines = ["live:websocket /v1/stream", "live:websocket.send /v1/stream"];
    let grants = |[one, two]: [&str; 2]| {
        let words = ["grant", "add", "bot", "--until", "1d", "--allow", one, "--allow", two];
        world.json(&words)["id"].as_str().unwrap().to_owned()
    };
    grants(everything);
    let client = world.write("client.py", CLIENT);
    let client = format!("python3 {} > heard 2>&1", client.display());
    let mut run = world.run();
    run.types(&client);
    assert!(run.types("head -1 heard").out.starts_with("HTTP/1.1 403 "), "groups do not list it");
    assert_eq!(run.ends(), 0);

    let grant = grants(lines);
    let mut run = world.run();
    run.begins(&format!("{client} & client=$!"));
    let heard = world.path("work/heard");
    let hears = |count: usize| {
        eventually("the client hears it", || {
            let text = std::fs::read_to_string(&heard).unwrap_or_default();
            (text.lines().count() >= count).then_some(text)
        })
    };
    let redacted = format!("one {}", "*".repeat(CREDENTIAL.len()));
    assert_eq!(hears(2), format!("HTTP/1.1 101 Switching Protocols\n{redacted}\n"));
    world.cli(&["grant", "revoke", &grant]).ok();
    run.types("touch go; wait $client");
    let all = hears(3);
    let last = all.lines().last().unwrap();
    assert!(last.starts_with("closed 1008 refused.mandate.nothing_allows: dec_"), "{all}");
    assert_eq!(*seen.lock().unwrap(), ["one"]);

    let outcomes = world.json(&["log", "query", "--event", "outcome", "--run", &run.id]);
    let of = |field: &str| {
        let entries = outcomes.as_array().unwrap().iter();
        entries.filter_map(|entry| entry["event"][field].as_u64()).sum::<u64>()
    };
    assert_eq!((of("sent_bytes"), of("redacted")), (3, 1), "{outcomes}");
    world.cli(&["log", "verify"]).ok();
    assert_eq!(run.ends(), 0);
}
