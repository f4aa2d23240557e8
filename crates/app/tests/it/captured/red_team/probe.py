"""Attacks on a captured run, one a name: `probe.py NAME ARGUMENT...`.

Each is tried twice by the same words: outside a run, where it must get what it is after, and inside,
where it must not. Ends with 0 after `reached`, 1 after `stopped: WHY`, 4 after `absent: WHY` if this
kernel has nothing of the kind, and otherwise by a mistake of its own. Python, because these are calls
that safe Rust has no word for.

Without words it tries one attack after another, as its standard input tells.
"""
import ctypes
import errno
import fcntl
import json
import mmap
import os
import signal
import socket
import ssl
import stat
import struct
import subprocess
import sys
import time
import traceback

CANARY = b"canary-of-the-red-team"
WAIT = 3
libc = ctypes.CDLL(None, use_errno=True)
attacks = {}


class Stopped(Exception):
    pass


class Absent(Exception):
    pass


def attack(function):
    attacks[function.__name__.replace("_", "-")] = function
    return function


def must_hold(data):
    if CANARY not in data:
        raise Stopped(f"there was {data[:80]!r}")


def call(number, *arguments):
    ctypes.set_errno(0)
    plain = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    got = libc.syscall(ctypes.c_long(number), *plain)
    if got == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return got


def checked(got):
    if got == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return got


# Network.

@attack
def tcp(host, port):
    with socket.create_connection((host, int(port)), WAIT) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: canary.test\r\nConnection: close\r\n\r\n")
        peer.settimeout(WAIT)
        data = b""
        while CANARY not in data and (more := peer.recv(4096)):
            data += more
    must_hold(data)


@attack
def udp(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as peer:
        peer.settimeout(1)
        # A question for the name `data.canary.test`, which a name server would pass on.
        peer.sendto(struct.pack(">6H", 7, 256, 1, 0, 0, 0) + b"\4data\6canary\4test\0" + struct.pack(">2H", 16, 1),
                    (host, int(port)))
        must_hold(peer.recv(2048))


@attack
def names_by_tcp(host, port):
    question = struct.pack(">6H", 7, 256, 1, 0, 0, 0) + b"\4data\6canary\4test\0" + struct.pack(">2H", 16, 1)
    with socket.create_connection((host, int(port)), WAIT) as peer:
        peer.settimeout(WAIT)
        peer.sendall(struct.pack(">H", len(question)) + question)
        must_hold(peer.recv(2048))


def fetched(host, port, name, said, store):
    context = ssl.create_default_context(cafile=store or None)
    if not store:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((host, int(port)), WAIT) as plain:
        with context.wrap_socket(plain, server_hostname=name) as peer:
            peer.sendall(f"GET /v1/front HTTP/1.1\r\nHost: {said}\r\nConnection: close\r\n\r\n".encode())
            peer.settimeout(WAIT)
            data = peer.recv(4096)
    if not data.startswith(b"HTTP/1.1 200"):
        raise Stopped(f"there was {data[:80]!r}")


@attack
def fronting(host, port, name, said):
    fetched(host, port, name, said, None)


@attack
def own_store(host, port, name, store):
    fetched(host, port, name, name, store)


@attack
def not_tls(host, port):
    """Bytes that are no TLS, to a port where TLS is expected."""
    with socket.create_connection((host, int(port)), WAIT) as peer:
        peer.sendall(b"SSH-2.0-probe\r\n\r\n")
        peer.settimeout(WAIT)
        must_hold(peer.recv(4096))


@attack
def family(number, kind, protocol):
    absent = (errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT)
    try:
        socket.socket(int(number), int(kind), int(protocol)).close()
    except OSError as error:
        if error.errno in absent:
            raise Absent(error)
        raise


@attack
def pair_of_family(number):
    try:
        socket.socketpair(int(number), socket.SOCK_SEQPACKET)
    except OSError as error:
        # A family that the kernel knows and that has no pairs is reached all the same.
        if error.errno == errno.EOPNOTSUPP:
            return
        if error.errno == errno.EAFNOSUPPORT:
            raise Absent(error)
        raise


@attack
def echo(host):
    """An ICMP echo request."""
    head = struct.pack(">BBHHH", 8, 0, 0, 7, 1)
    total = sum(struct.unpack(">5H", head + b"ab"))
    total = ~((total >> 16) + (total & 0xffff)) & 0xffff
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as peer:
        peer.settimeout(WAIT)
        peer.sendto(struct.pack(">BBHHH", 8, 0, total, 7, 1) + b"ab", (host, 0))
        peer.recv(2048)


@attack
def listen_beside(port):
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        peer.bind(("0.0.0.0", int(port)))
        peer.listen()


@attack
def route_out(gateway):
    """An address and a route of one's own."""
    done = subprocess.run(["ip", "route", "add", "203.0.113.0/24", "via", gateway], capture_output=True)
    if done.returncode:
        raise Stopped(done.stderr.decode().strip())
    subprocess.run(["ip", "route", "del", "203.0.113.0/24"], check=True)


# Sockets of this machine.

@attack
def unix(path):
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(WAIT)
        peer.connect("\0" + path[1:] if path.startswith("@") else path)
        peer.sendall(b"GET /info HTTP/1.1\r\n\r\n")
        must_hold(peer.recv(4096))


@attack
def serve(path):
    """Not an attack: the canary behind a socket whose path is relative to where it was made."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    print("serving", flush=True)
    while True:
        peer, _ = listener.accept()
        peer.recv(1024)
        peer.sendall(CANARY)
        peer.close()


@attack
def descriptor(number):
    """Reads from a descriptor that somebody left open, or asks whoever is at its other end."""
    number = int(number)
    if stat.S_ISSOCK(os.fstat(number).st_mode):
        os.write(number, b"GET /info HTTP/1.1\r\n\r\n")
    must_hold(os.read(number, 4096))


@attack
def below_descriptor(number, path):
    """What lies below a directory that somebody left open."""
    opened = os.open(path, os.O_RDONLY, dir_fd=int(number))
    must_hold(os.read(opened, 4096))


@attack
def shared_memory(key):
    libc.shmat.restype = ctypes.c_void_p
    there = checked(libc.shmget(int(key), 0, 0o600))
    at = libc.shmat(there, None, 0)
    must_hold(ctypes.string_at(at, 64))


@attack
def message_queue(key):
    there = checked(libc.msgget(int(key), 0o600))
    buffer = ctypes.create_string_buffer(256)
    # MSG_COPY would need a kernel option; what is taken is put back.
    checked(libc.msgrcv(there, buffer, 200, 0, 0o4000))
    checked(libc.msgsnd(there, buffer, 64, 0))
    must_hold(buffer.raw)


@attack
def make_ipc(key):
    """Not an attack: shared memory and a queue with the canary in them."""
    libc.shmat.restype = ctypes.c_void_p
    memory = checked(libc.shmget(int(key), 4096, 0o1600))
    ctypes.memmove(libc.shmat(memory, None, 0), CANARY, len(CANARY))
    queue = checked(libc.msgget(int(key), 0o1600))
    text = struct.pack("l", 1) + CANARY
    checked(libc.msgsnd(queue, ctypes.create_string_buffer(text, 256), 64, 0))


@attack
def remove_ipc(key):
    checked(libc.shmctl(libc.shmget(int(key), 0, 0), 0, None))
    checked(libc.msgctl(libc.msgget(int(key), 0), 0, None))


# Files.

@attack
def read(path):
    with open(path, "rb") as file:
        must_hold(file.read(65536))


@attack
def read_any(path):
    """A file whose content is not ours to choose."""
    with open(path, "rb") as file:
        if not file.read(16):
            raise Stopped("it is empty")


@attack
def write(path):
    """Appends nothing: it is enough to be let in."""
    os.close(os.open(path, os.O_WRONLY | os.O_APPEND))


@attack
def write_back(path):
    """Writes to a file what it holds already."""
    with open(path, "rb") as file:
        held = file.read(4096)
    with open(path, "r+b", buffering=0) as file:
        file.write(held)


@attack
def say(path, word):
    with open(path, "wb", buffering=0) as file:
        file.write(word.encode())


@attack
def create(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755))
    os.unlink(path)


@attack
def rename(path):
    os.rename(path, path + ".away")
    os.rename(path + ".away", path)


@attack
def replace(path):
    """Puts another file in the place of one, and the first one back."""
    kept, new = path + ".kept", path + ".new"
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT, 0o644))
    try:
        os.link(path, kept)
        os.rename(new, path)
        os.rename(kept, path)
    finally:
        for left in (kept, new):
            if os.path.lexists(left):
                os.unlink(left)


@attack
def hard_link(path, to):
    os.link(path, to)
    os.unlink(to)


@attack
def mode_of(path):
    """Sets a mode to what it is."""
    os.chmod(path, stat.S_IMODE(os.stat(path).st_mode))


@attack
def node(path, major, minor):
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(int(major), int(minor)))
    try:
        os.close(os.open(path, os.O_RDONLY))
    finally:
        os.unlink(path)


@attack
def by_handle(directory, path):
    """Opens a file by its number, past every path."""
    handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 136)
    mount_id = ctypes.c_int()
    at = os.open(directory, os.O_RDONLY)
    checked(libc.name_to_handle_at(at, path.encode(), handle, ctypes.byref(mount_id), 0))
    opened = checked(libc.open_by_handle_at(at, handle, os.O_RDONLY))
    must_hold(os.read(opened, 4096))


@attack
def as_owner(program, path):
    """Reads a file by a program that runs as its own owner."""
    done = subprocess.run([program, path], capture_output=True)
    must_hold(done.stdout)


@attack
def core(directory):
    """Leaves an image of a process behind."""
    import resource
    os.chdir(directory)
    child = os.fork()
    if child == 0:
        limit = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
        os.kill(os.getpid(), signal.SIGSEGV)
    _, status = os.waitpid(child, 0)
    if not os.WCOREDUMP(status):
        raise Stopped("no image was made")


# The kernel.

NEWUSER, NEWNS, NEWNET = 0x10000000, 0x00020000, 0x40000000


def in_child(doing):
    """Does it in a process of its own, so that nothing of it stays; tells how it ended."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            doing()
            os._exit(0)
        except OSError as error:
            os.write(theirs, str(error.errno).encode())
            os._exit(1)
        except BaseException as error:
            os.write(theirs, repr(error).encode())
            os._exit(3)
    os.close(theirs)
    _, status = os.waitpid(child, 0)
    said = os.read(ours, 4096).decode()
    if os.WIFSIGNALED(status):
        raise Stopped(f"signal {os.WTERMSIG(status)}")
    if os.WEXITSTATUS(status) == 1:
        raise OSError(int(said), os.strerror(int(said)))
    if os.WEXITSTATUS(status):
        raise RuntimeError(said)


@attack
def unshare(flags):
    in_child(lambda: checked(libc.unshare(int(flags, 16))))


@attack
def clone(flags):
    """clone(2) and clone3(2), with these flags and an empty stack."""
    def new_and_old():
        arguments = struct.pack("11Q", int(flags, 16), 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0)
        try:
            child = call(435, ctypes.create_string_buffer(arguments), len(arguments))
        except OSError as error:
            if error.errno != errno.ENOSYS:
                raise
            child = call(56, int(flags, 16) | signal.SIGCHLD, 0, 0, 0, 0)
        if child == 0:
            os._exit(0)
    in_child(new_and_old)


@attack
def mount(at):
    def doing():
        checked(libc.mount(b"probe", at.encode(), b"tmpfs", 0, None))
        checked(libc.umount2(at.encode(), 2))
    in_child(doing)


@attack
def new_mount():
    """The calls that mount by descriptors: fsopen(2) and open_tree(2)."""
    in_child(lambda: call(428, -100, b"/usr", 1))


@attack
def unmount(path):
    """A mount of one's own outside; inside, what protects a path."""
    def doing():
        if path == "own":
            checked(libc.unshare(NEWNS))
            checked(libc.mount(b"none", b"/", None, 1 << 18 | 1 << 14, None))
            checked(libc.mount(b"probe", b"/tmp", b"tmpfs", 0, None))
            checked(libc.umount2(b"/tmp", 2))
        else:
            checked(libc.umount2(path.encode(), 2))
    in_child(doing)


@attack
def pivot():
    """chroot(2), the oldest way out of a root."""
    in_child(lambda: os.chroot("/"))


@attack
def join(path):
    """Enters a namespace of somebody else."""
    def doing():
        checked(libc.setns(os.open(path, os.O_RDONLY), 0))
    in_child(doing)


@attack
def kernel_call(number, *arguments):
    """A call that is refused as a whole. Another complaint than that it may not be made is an answer."""
    taken = [int(one, 0) for one in arguments]
    try:
        call(int(number), *taken)
    except OSError as error:
        if error.errno == errno.ENOSYS:
            raise Absent(error)
        if error.errno in (errno.EPERM, errno.EACCES):
            raise


@attack
def other_abi(kind):
    """Calls by numbers that a filter for this machine's own might not know."""
    if kind == "x32":
        # unshare(CLONE_NEWUSER) by the numbers of x32.
        try:
            in_child(lambda: call(0x40000000 + 272, NEWUSER))
        except OSError as error:
            if error.errno == errno.ENOSYS:
                raise Absent(error)
            raise
        return

    def doing():
        # getpid(2) by the numbers of i386: push rbx; mov eax, 20; int 0x80; pop rbx; ret
        code = b"\x53\xb8\x14\x00\x00\x00\xcd\x80\x5b\xc3"
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(code)
        at = ctypes.addressof(ctypes.c_char.from_buffer(page))
        if ctypes.CFUNCTYPE(ctypes.c_int)(at)() != os.getpid():
            os._exit(1)
    in_child(doing)


# From a user namespace of one's own.

KINDS = {"mounts": NEWUSER | NEWNS, "network": NEWUSER | NEWNS | NEWNET,
         "processes": NEWUSER | NEWNS | 0x20000000, "cgroups": NEWUSER | NEWNS | 0x02000000}


def into_namespaces(kind):
    user, group = os.getuid(), os.getgid()
    checked(libc.unshare(KINDS[kind]))
    for name, text in ("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1"):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    # The mounts outside are not to hear of any of it.
    checked(libc.mount(b"none", b"/", None, 1 << 18 | 1 << 14, None))


@attack
def nested(kind, name, *words):
    """Another attack, with every power over namespaces of these kinds."""
    into_namespaces(kind)
    attacks[name](*words)


@attack
def nested_kind(kind, at):
    """A file system that shows more than its caller's namespaces; at another place than there is one."""
    def doing():
        checked(libc.mount(b"probe", at.encode(), kind.encode(), 0, None))
        os.listdir(at)
    in_child(doing)


@attack
def lift(path):
    """Makes writable again what is read-only: a mount of one's own outside; inside, what protects a path."""
    if path == "own":
        path = "/tmp"
        checked(libc.mount(b"probe", b"/tmp", b"tmpfs", 0, None))
        checked(libc.mount(None, b"/tmp", None, 1 | 32, None))
    # mount_setattr(2): without MOUNT_ATTR_RDONLY, and else as it is.
    wanted = struct.pack("4Q", 0, 1, 0, 0)
    call(442, -100, path.encode(), 0, ctypes.create_string_buffer(wanted), len(wanted))


@attack
def beneath(directory, name, how):
    """Reads what something may have been mounted on, by a mount of the directory alone."""
    held = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    at = "/tmp/.beneath"
    os.makedirs(at, exist_ok=True)
    into_namespaces("mounts")
    # Of a descriptor the mount is that of the namespace before.
    source = f"/proc/self/fd/{held}" if how.endswith("-held") else directory
    if how.startswith("layer"):
        checked(libc.mount(b"probe", at.encode(), b"overlay", 0, f"userxattr,lowerdir={source}:/usr".encode()))
    elif how.startswith("tree"):
        # open_tree(2) without what lies below it, as a file system apart.
        held = call(428, -100, directory.encode(), 1)
        checked(call(429, held, b"", -100, at.encode(), 4))
    else:
        checked(libc.mount(source.encode(), at.encode(), None, 4096, None))
    with open(f"{at}/{name}", "rb") as file:
        must_hold(file.read())


@attack
def back(kind):
    """Enters again the namespace that one was in before."""
    before = os.open(f"/proc/self/ns/{kind}", os.O_RDONLY)
    into_namespaces("network")
    checked(libc.setns(before, 0))


@attack
def unlock(directory, how):
    """Replaces a file, or the directory it is in, from where no mount of theirs is known any more."""
    inside = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    above = os.open(os.path.dirname(directory), os.O_PATH | os.O_DIRECTORY)
    os.makedirs("/tmp/.root", exist_ok=True)
    into_namespaces("mounts")
    checked(libc.mount(b"probe", b"/tmp/.root", b"tmpfs", 0, None))
    os.mkdir("/tmp/.root/old")
    os.chdir("/tmp/.root")
    checked(libc.pivot_root(b".", b"old"))
    checked(libc.umount2(b"/old", 2))
    if how == "file":
        os.unlink("config", dir_fd=inside)
    else:
        name = os.path.basename(directory)
        os.rename(name, f"{name}-before", src_dir_fd=above, dst_dir_fd=above)
        os.mkdir(name, dir_fd=above)
        inside = os.open(name, os.O_PATH | os.O_DIRECTORY, dir_fd=above)
    planted = os.open("config", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=inside)
    os.write(planted, CANARY)
    while True:
        time.sleep(1)


@attack
def host_name():
    checked(libc.sethostname(socket.gethostname().encode(), len(socket.gethostname())))


# Processes of others.

@attack
def trace(pid):
    checked(libc.ptrace(16, int(pid), 0, 0))
    os.waitpid(int(pid), 0x40000000)
    checked(libc.ptrace(17, int(pid), 0, 0))


@attack
def peek(pid):
    """The memory of a process, by process_vm_readv(2) and by its file."""
    with open(f"/proc/{pid}/maps") as maps:
        begin = next(int(line.split("-")[0], 16) for line in maps if "[stack]" in line)
        maps.seek(0)
        end = next(int(line.split()[0].split("-")[1], 16) for line in maps if "[stack]" in line)
    buffer = ctypes.create_string_buffer(end - begin)
    ours = struct.pack("PN", ctypes.addressof(buffer), end - begin)
    theirs = struct.pack("PN", begin, end - begin)
    got = checked(libc.process_vm_readv(int(pid), ours, 1, theirs, 1, 0))
    must_hold(buffer.raw[:got])


@attack
def memory(pid):
    with open(f"/proc/{pid}/maps") as maps:
        line = next(line for line in maps if "[stack]" in line)
    begin, end = (int(part, 16) for part in line.split()[0].split("-"))
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        memory.seek(begin)
        must_hold(memory.read(end - begin))


@attack
def hit(pid):
    os.kill(int(pid), signal.SIGUSR1)


@attack
def victim(path):
    """Not an attack: a process with the canary in its environment and in a descriptor."""
    for number in (signal.SIGUSR1, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    os.dup2(os.open(path, os.O_RDONLY), 3)
    os.set_inheritable(3, True)
    print("here", flush=True)
    while True:
        time.sleep(60)


@attack
def by_pidfd(pid):
    opened = os.pidfd_open(int(pid))
    signal.pidfd_send_signal(opened, signal.SIGUSR1)


@attack
def take_descriptor(pid, number):
    opened = os.pidfd_open(int(pid))
    taken = call(438, opened, int(number), 0)
    os.lseek(taken, 0, os.SEEK_SET)
    must_hold(os.read(taken, 4096))


@attack
def bound(pid):
    import resource
    resource.prlimit(int(pid), resource.RLIMIT_NOFILE, resource.prlimit(int(pid), resource.RLIMIT_NOFILE))


@attack
def holdings(what, pid):
    """What a process holds, as far as only its like may see it."""
    at = f"/proc/{pid}/"
    if what == "root":
        os.listdir(at + "root/")
    elif what == "descriptors":
        os.readlink(at + "fd/0")
    elif what == "environment":
        open(at + "environ", "rb").read()
    elif what == "memory":
        open(at + "mem", "r+b", 0).close()
    elif what == "program":
        open(at + "exe", "rb").read(4)
    elif what == "mapped":
        if not open(at + "maps", "rb").read():
            raise Stopped("nothing is shown")
    elif what == "namespaces":
        os.readlink(at + "ns/net")


# The terminal.

@attack
def type_into(_unused="x"):
    """Pushes a letter into the terminal's input."""
    terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(terminal, 0x5412, b"X")


@attack
def paste():
    """Pastes a console's selection, or at least is asked for more than the right to."""
    terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.ioctl(terminal, 0x541C, b"\3")
    except OSError as error:
        # What is no console has no selection: the kernel was asked.
        if error.errno not in (errno.ENOTTY, errno.EINVAL):
            raise


@attack
def terminal_of(path):
    """Writes to a terminal by its name."""
    os.write(os.open(path, os.O_WRONLY | os.O_NOCTTY), b"\x1b[0m")


@attack
def steal(path):
    """Makes a terminal of somebody else its own."""
    def doing():
        os.setsid()
        fcntl.ioctl(os.open(path, os.O_RDWR | os.O_NOCTTY), 0x540E, 1)
    in_child(doing)


def tried(name, *words):
    try:
        attacks[name](*words)
    except Absent as why:
        print(f"absent: {why}")
        return 4
    except (Stopped, OSError) as why:
        print(f"stopped: {why}")
        return 1
    print("reached")
    return 0


def try_apart(words, write):
    """One attack in a process that is there for it alone."""
    code = 3
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(write, 1)
        os.dup2(write, 2)
        code = tried(*words)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def try_each():
    """A line tells the words of an attack, and is answered by what it ended with and said.

    All of it is JSON. A start of Python for each attack would take longer than the attack.
    """
    for line in sys.stdin:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try_apart(json.loads(line), write)
        os.close(write)
        with open(read, "rb") as file:
            said = file.read().decode(errors="replace")
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        # As a shell tells what a signal ended.
        print(json.dumps([code if code >= 0 else 128 - code, said]), flush=True)


if len(sys.argv) > 1:
    sys.exit(tried(*sys.argv[1:]))
try_each()
