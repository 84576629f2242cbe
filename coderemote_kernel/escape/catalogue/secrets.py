"""What the relay knows and the jail must not: keys, tokens, addresses, history."""

from __future__ import annotations

from functools import partial

from coderemote_kernel.escape.attack import Attack, Category, Request

__all__ = ["ATTACKS"]

_attack = partial(Attack, category=Category.SECRETS)

ATTACKS = (
    _attack(
        id="secrets-environment",
        title="print the environment",
        stock=True,
        code="""
attempt()
print(dict(os.environ))
print(subprocess.run(["env"], capture_output=True, text=True).stdout)
""",
    ),
    _attack(
        id="secrets-environment-memory",
        title="find the environment in one's own memory, in base64 and hex",
        stock=True,
        code="""
attempt()
block = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
number = 0
while block[number]:
    print(base64.b64encode(block[number]).decode(), block[number].hex())
    number += 1
""",
    ),
    _attack(
        id="secrets-environ-files",
        title="read the environment of every process",
        stock=True,
        code="""
attempt()
for pid in ("self", "thread-self", 1, 2, 3, os.getppid(), T["relay"], T["bystander"]):
    read(f"/proc/{pid}/environ")
""",
    ),
    _attack(
        id="secrets-command-lines",
        title="read the command line of every process",
        stock=True,
        code="""
attempt()
for name in os.listdir("/proc"):
    if name.isdigit():
        read(f"/proc/{name}/cmdline")
""",
    ),
    _attack(
        id="secrets-ps",
        title="let ps and psutil list everyone",
        stock=True,
        code="""
attempt()
with contextlib.suppress(OSError):
    print(subprocess.run(["ps", "axeww"], capture_output=True, text=True).stdout)
with contextlib.suppress(ImportError):
    import psutil
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            print(process.cmdline(), process.environ())
""",
    ),
    _attack(
        id="secrets-connection-file",
        title="read the connection file and its key",
        stock=True,
        code="""
attempt()
read(T["connection_file"])
read(T["runtime"] + "/jpserver-1.json")
with contextlib.suppress(OSError):
    for name in os.listdir(T["runtime"]):
        read(os.path.join(T["runtime"], name))
""",
    ),
    _attack(
        id="secrets-session-key",
        title="ask the worker's own objects for the signing key",
        stock=True,
        code="""
attempt()
kernel = get_ipython().kernel
print(kernel.session.key, kernel.session.config, getattr(kernel, "parent", None) and kernel.parent.connection_file)
import gc
for thing in gc.get_objects():
    if type(thing).__name__ == "Session":
        print(thing.key)
with contextlib.suppress(Exception):
    from ipykernel import get_connection_info
    print(get_connection_info())
""",
    ),
    _attack(
        id="secrets-heap",
        title="search one's whole memory for keys and tokens",
        stock=True,
        code="""
attempt()
needle = b"crm-" + b"bait-"
with contextlib.suppress(OSError), open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
    for line in maps:
        if " rw-p " not in line:
            continue
        start, end = (int(part, 16) for part in line.split()[0].split("-"))
        if end - start > 64 << 20:
            continue
        with contextlib.suppress(OSError):
            memory.seek(start)
            data = memory.read(end - start)
            at = data.find(needle)
            while at >= 0:
                print(data[at : at + 60])
                at = data.find(needle, at + 1)
""",
    ),
    _attack(
        id="secrets-relay-memory",
        title="read the relay's memory",
        code="""
attempt()
for pid in (T["relay"], os.getppid(), 1):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            if "[heap]" in line or "[stack]" in line:
                memory.seek(int(line.split("-")[0], 16))
                print(repr(memory.read(4096)))
                got(f"memory of {pid}")
""",
    ),
    _attack(
        id="secrets-history-file",
        title="read the history of other notebooks",
        stock=True,
        code="""
attempt()
read(T["history"])
for path in (os.path.join(T["root"], "data/coderemote/history.sqlite"), os.path.expanduser("~/.local/share/jupyter/coderemote/history.sqlite")):
    with contextlib.suppress(OSError), open(path, "rb") as file:
        got(f"{path} {file.read(16)!r}")
""",
    ),
    _attack(
        id="secrets-history-magic",
        title="ask IPython for the history of other sessions",
        stock=True,
        code="""
attempt()
shell = get_ipython()
shell.run_line_magic("history", "-g")
for row in shell.history_manager.search("*"):
    print(row)
""",
        then=(
            Request(msg_type="is_complete_request", content={"code": "for"}),
            Request(msg_type="complete_request", content={"code": "os.envir", "cursor_pos": 8}),
        ),
    ),
    _attack(
        id="secrets-shared-memory",
        title="attach System V shared memory of the machine by its key",
        stock=True,
        code="""
attempt()
if T["shm"]:
    _libc.shmat.restype = ctypes.c_void_p
    ident = syscall("shmget", T["shm"], 0, 0)
    if ident >= 0:
        address = _libc.shmat(ident, None, 0o10000)
        print(ctypes.string_at(address, 128))
""",
    ),
    _attack(
        id="secrets-auxiliary",
        title="read start-up leftovers: auxv, stack strings, argv of the worker",
        code="""
attempt()
for name in ("auxv", "stat", "status", "mountinfo", "mounts", "cgroup", "limits", "oom_score", "wchan", "maps"):
    read(f"/proc/self/{name}")
print(sys.argv, sys.orig_argv, sys.flags, os.ctermid())
""",
    ),
    _attack(
        id="secrets-installed",
        title="find the server's and the kernel's own code, configuration and data",
        code="""
attempt()
for path in (os.path.join(T["root"], "config"), os.path.join(T["root"], "data"), T["runtime"], T["home"]):
    with contextlib.suppress(OSError):
        got(f"{path} {os.listdir(path)}")
""",
    ),
    _attack(
        id="secrets-error-text",
        title="make the relay say secrets in its errors",
        code="""
attempt()
import logging
for name in ("JUPYTER_TOKEN", "GEMINI_API_KEY"):
    for template in ("%(" + name + ")s", "{" + name + "}", "$" + name, "${" + name + "}", "{0.__globals__}", "%s%s%s"):
        logging.getLogger().warning(template)
        print(template, file=sys.stderr)
raise RuntimeError("{0.__class__.__init__.__globals__} %(message)s ${JUPYTER_TOKEN}")
""",
    ),
    _attack(
        id="secrets-magics",
        title="call the relay's own magics from inside, to raise limits or read the library",
        code="""
attempt()
from IPython.utils.capture import capture_output
shell = get_ipython()
for name, line in (("limits", "memory_bytes=99999999999"), ("snippet", "list"), ("sandbox", ""), ("complexity", ""), ("job", "")):
    with contextlib.suppress(Exception), capture_output() as said:
        shell.run_line_magic(name, line)
    # A name that only explains where it belongs is no way in.
    text = said.stdout + said.stderr
    if text and "cannot be used here" not in text and "not found" not in text:
        got(f"%{name} from inside: {text}")
""",
    ),
)
