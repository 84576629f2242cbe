"""Speaking to anyone but the relay: every socket family, and the ways around sockets."""

from __future__ import annotations

from functools import partial

from coderemote_kernel.escape.attack import Attack, Category

__all__ = ["ATTACKS"]

_attack = partial(Attack, category=Category.NETWORK)

ATTACKS = (
    _attack(
        id="network-tcp",
        title="connect to a TCP listener of the machine",
        stock=True,
        code="""
attempt()
with socket.create_connection(("127.0.0.1", T["tcp"]), 2) as sock:
    got("connected")
""",
    ),
    _attack(
        id="network-tcp6",
        title="connect over IPv6",
        stock=True,
        code="""
attempt()
if T["tcp6"]:
    with socket.create_connection(("::1", T["tcp6"]), 2):
        got("connected")
""",
    ),
    _attack(
        id="network-udp",
        title="send a UDP datagram to the machine",
        stock=True,
        code="""
attempt()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    for _ in range(3):
        sock.sendto(b"hello", ("127.0.0.1", T["udp"]))
""",
    ),
    _attack(
        id="network-unix",
        title="connect to a unix socket by its path",
        stock=True,
        code="""
attempt()
for path in (T["door"], "/proc/self/root" + T["door"], os.path.relpath(T["door"])):
    with socket.socket(socket.AF_UNIX) as sock, contextlib.suppress(OSError):
        sock.connect(path)
        got(path)
""",
    ),
    _attack(
        id="network-unix-datagram",
        title="send a datagram to a unix socket by its path",
        stock=True,
        code="""
attempt()
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
    sock.sendto(b"hello", T["slot"])
""",
    ),
    _attack(
        id="network-abstract",
        title="connect to an abstract unix socket",
        stock=True,
        code="""
attempt()
with socket.socket(socket.AF_UNIX) as sock:
    sock.connect("\\0" + T["abstract"])
    got("connected")
""",
    ),
    _attack(
        id="network-abstract-datagram-bind",
        title="take every abstract name a desktop listens on and see who is there",
        code="""
attempt()
for name in ("/tmp/.X11-unix/X0", "/run/systemd/journal/socket", "/org/freedesktop/systemd1"):
    with socket.socket(socket.AF_UNIX) as sock, contextlib.suppress(OSError):
        sock.connect("\\0" + name)
        got(name)
""",
    ),
    _attack(
        id="network-relay-ports",
        title="connect to the relay's own Jupyter ports",
        stock=True,
        code="""
attempt()
for port in (T["shell_port"], T["iopub_port"], T["control_port"], T["hb_port"]):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as sock:
        if sock.recv(10)[:1] == b"\\xff":
            got(f"a ZMQ greeting on port {port}")
""",
    ),
    _attack(
        id="network-system-sockets",
        title="connect to Docker's, D-Bus's and the journal's sockets",
        code="""
attempt()
for path in ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock",
             "/run/dbus/system_bus_socket", "/run/systemd/journal/stdout", "/dev/log",
             "/run/systemd/private", "/run/user/1000/bus", "/tmp/.X11-unix/X0",
             "/run/nscd/socket", "/var/run/postgresql/.s.PGSQL.5432"):
    with socket.socket(socket.AF_UNIX) as sock, contextlib.suppress(OSError):
        sock.connect(path)
        got(path)
""",
    ),
    _attack(
        id="network-dns",
        title="speak through name resolution",
        code="""
attempt()
for name in ("example.org", "metadata.google.internal", "www.python.org"):
    with contextlib.suppress(OSError):
        got(socket.getaddrinfo(name, 80))
for server in ("127.0.0.53", "8.8.8.8", "1.1.1.1"):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError):
        sock.settimeout(0.3)
        query = b"\\0\\1\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\7example\\3org\\0\\0\\1\\0\\1"
        sock.sendto(query, (server, 53))
        got(f"{server} {sock.recv(512)!r}")
""",
    ),
    _attack(
        id="network-metadata",
        title="ask the cloud's metadata service",
        code="""
attempt()
for address in ("169.254.169.254", "100.100.100.200", "169.254.170.2"):
    with contextlib.suppress(OSError), socket.create_connection((address, 80), 0.5) as sock:
        got(address)
""",
    ),
    _attack(
        id="network-gateway",
        title="find a neighbour on any private address",
        code="""
attempt()
for address in ("10.0.0.1", "10.0.2.2", "172.17.0.1", "192.168.0.1", "192.168.1.1", "0.0.0.0"):
    for port in (22, 80, 443, 2375, T["tcp"]):
        with socket.socket() as sock:
            sock.settimeout(0.05)
            if sock.connect_ex((address, port)) == 0:
                got(f"{address}:{port}")
""",
    ),
    _attack(
        id="network-multicast",
        title="broadcast and multicast from every interface",
        code="""
attempt()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    for address in ("255.255.255.255", "224.0.0.1", "239.255.255.250"):
        with contextlib.suppress(OSError):
            sock.sendto(b"hello", (address, 1900))
            got(address)
""",
    ),
    _attack(
        id="network-interfaces",
        title="list interfaces other than the jail's own loopback",
        code="""
attempt()
others = [name for _, name in socket.if_nameindex() if name != "lo"]
# Kernels make tunnel stubs in every new namespace; they are down and lead nowhere.
stubs = ("sit", "tunl", "gre", "gretap", "erspan", "ip_vti", "ip6_vti", "ip6tnl", "ip6gre")
others = [name for name in others if not name.rstrip("0123456789").startswith(stubs)]
if others:
    got(others)
""",
    ),
    _attack(
        id="network-netlink",
        title="add an address and a route over netlink",
        code="""
attempt()
with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
    sock.settimeout(1)
    body = struct.pack("<BBBBi", 2, 24, 0, 0, 1) + struct.pack("<HH4s", 8, 2, bytes([10, 9, 8, 7]))
    sock.sendto(struct.pack("<IHHII", 16 + len(body), 20, 0x605, 1, 0) + body, (0, 0))
    answer = sock.recv(4096)
    if len(answer) >= 20 and struct.unpack_from("<i", answer, 16)[0] == 0:
        got("added an address")
""",
    ),
    _attack(
        id="network-netlink-kinds",
        title="reach audit, netfilter, uevent and xfrm over netlink",
        code="""
attempt()
with contextlib.ExitStack() as stack:
    for kind in (9, 12, 6, 15, 3, 21):
        with contextlib.suppress(OSError):
            sock = stack.enter_context(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, kind))
            sock.settimeout(0.2)
            sock.bind((0, 0xFFFFFFFF if kind == 15 else 0))
            sock.sendto(struct.pack("<IHHII", 16, 1000, 5, 1, 0), (0, 0))
            answer = sock.recv(4096)
            if len(answer) >= 20 and struct.unpack_from("<i", answer, 16)[0] >= 0:
                got(f"netlink {kind} {answer[:40]!r}")
""",
    ),
    _attack(
        id="network-raw",
        title="open raw and packet sockets",
        code="""
attempt()
for family, kind, protocol in ((socket.AF_INET, socket.SOCK_RAW, 1), (socket.AF_INET, socket.SOCK_RAW, 255),
                               (socket.AF_PACKET, socket.SOCK_RAW, 0x300), (socket.AF_PACKET, socket.SOCK_DGRAM, 0x300)):
    with contextlib.suppress(OSError), socket.socket(family, kind, protocol) as sock:
        got(f"{family} {kind} {protocol}")
""",
    ),
    _attack(
        id="network-families",
        title="open every other socket family (vsock, bluetooth, AF_ALG, TIPC, RDS, CAN ...)",
        code="""
attempt()
usual = {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK}
for family in set(range(3, 46)) - usual:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        with contextlib.suppress(OSError), socket.socket(family, kind) as sock:
            got(f"family {family} kind {kind}")
""",
    ),
    _attack(
        id="network-vsock",
        title="call the hypervisor over vsock",
        code="""
attempt()
with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as sock:
    got("a vsock socket")
    sock.settimeout(0.5)
    sock.connect((2, 1024))
""",
    ),
    _attack(
        id="network-ioctl",
        title="configure interfaces by ioctl",
        code="""
attempt()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    import fcntl
    for request, name in ((0x8914, "SIOCSIFFLAGS"), (0x8916, "SIOCSIFADDR"), (0x8922, "SIOCSIFMTU"),
                          (0x89A0, "SIOCBRADDBR"), (0x890B, "SIOCADDRT")):
        with contextlib.suppress(OSError):
            fcntl.ioctl(sock, request, struct.pack("16sHH20x", b"lo", 2, 0))
            got(name)
""",
    ),
    _attack(
        id="network-tun",
        title="make a network interface with /dev/net/tun",
        code="""
attempt()
import fcntl
with open("/dev/net/tun", "r+b", buffering=0) as tun:
    fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"crm0", 1))
    got("an interface")
""",
    ),
    _attack(
        id="network-proc-net",
        title="read the machine's connections from /proc/net",
        stock=True,
        code="""
attempt()
wanted = f":{T['tcp']:04X} "
for path in ("/proc/net/tcp", "/proc/1/net/tcp", "/proc/self/net/tcp", f"/proc/{T['relay']}/net/tcp"):
    if wanted.encode() in read(path):
        got(path)
if T["abstract"].encode() in read("/proc/net/unix"):
    got("/proc/net/unix")
""",
    ),
    _attack(
        id="network-setns",
        title="enter another process's network namespace",
        code="""
attempt()
for pid in ("1", str(T["relay"]), str(T["bystander"]), "self"):
    with contextlib.suppress(OSError):
        fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        if syscall("setns", fd, 0x40000000) == 0:
            got(f"the network namespace of {pid}")
""",
    ),
    _attack(
        id="network-subprocess",
        title="let curl, wget, nc or bash speak",
        stock=True,
        code="""
attempt()
url = f"127.0.0.1:{T['tcp']}"
for command in (f"exec 3<>/dev/tcp/127.0.0.1/{T['tcp']}", f"curl -m 1 -s http://{url}/",
                f"wget -q -T 1 -t 1 -O- http://{url}/", f"nc -w 1 127.0.0.1 {T['tcp']} </dev/null"):
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(["bash", "-c", command], timeout=3, capture_output=True)
""",
    ),
)
