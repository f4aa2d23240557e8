//! Whoever does not speak as a launcher expects it gets no run, and takes none from others.

use super::super::support::World;

/// Speaks at the launcher's socket as no `marque` would, and tells what came of each.
const SPEAKS: &str = r#"
import array, os, random, socket, struct, threading

def connected():
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(20)
    peer.connect("/run/marque/launch.sock")
    return peer

def says(what, data, streams=(), is_over=True):
    peer = connected()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))] if streams else []
    heard = b""
    try:
        peer.sendmsg([data[:4]], rights)
        peer.sendall(data[4:])
        if is_over:
            peer.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):
        # Whoever refuses early says so before.
        pass
    try:
        while more := peer.recv(65536):
            heard += more
    except ConnectionResetError:
        pass
    print(what, "refused" if b"not asked for as it should" in heard else repr(heard[:200]))

def framed(text):
    return struct.pack(">I", len(text)) + text

random.seed(7)
null = os.open("/dev/null", os.O_RDWR)
half = struct.pack(">I", 100) + b"{"
waiting = threading.Thread(target=says, args=("half-and-waiting", half, [null] * 3, False))
waiting.start()
for _ in range(8):
    says("noise", random.randbytes(4096))
for _ in range(4):
    says("noise-with-streams", random.randbytes(4096), [null] * 3)
says("too-long", struct.pack(">I", 0xffffffff) + b"x" * 4096, [null] * 3)
says("longer-than-allowed", struct.pack(">I", 4 * 1024 * 1024 + 1) + b"x", [null] * 3)
says("nothing", b"")
says("half-a-length", b"\0\0")
says("half-a-message", half, [null] * 3)
says("empty", framed(b""), [null] * 3)
says("no-json", framed(b"\xff" * 64), [null] * 3)
says("deep", framed(b"[" * 100000), [null] * 3)
says("other-json", framed(b'{"words": ["true"]}'), [null] * 3)
says("no-streams", framed(b"{}"))
says("many-streams", framed(b"{}"), [null] * 64)
waiting.join()
held = []
for _ in range(64):
    peer = connected()
    peer.setblocking(False)
    held.append(peer)
print("held", len(held))
"#;

#[test]
fn nonsense_at_the_launchers_socket_starts_nothing_and_ends_nothing() {
    let world = World::new();
    world.write("work/speaks.py", SPEAKS);
    let mut run = world.captured();
    let typed = run.types("/usr/bin/python3 speaks.py");
    assert_eq!(typed.code, 0, "{}", typed.out);
    let answers: Vec<_> = typed.out.lines().collect();
    assert_eq!(answers.last(), Some(&"held 64"), "{answers:#?}");
    let wrong: Vec<_> = answers.iter().filter(|line| !line.ends_with(" refused")).collect();
    assert_eq!(wrong, [&"held 64"], "each was told why");
    let runs = world.json(&["run", "list"]);
    assert_eq!(runs.as_array().unwrap().len(), 1, "nobody else was started: {runs}");
    assert_eq!(runs[0]["state"], "open");
    // Those that were held are gone with the program; the launcher has room again.
    let asks = "for n in 1 2 3 4 5 6 7 8 9; do \
                marque -q run -- echo served 2>err && break; sleep 0.2; done";
    assert_eq!(run.types(asks).out, "served", "{}", run.said());
    assert_eq!(run.curl("http://plain.test/v1/a").0, 200);
    assert_eq!(run.ends(), 0);
}
