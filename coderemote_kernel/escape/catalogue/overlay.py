"""Reaching through the copy-on-write view of the notebook's folder."""

from __future__ import annotations

from functools import partial

from coderemote_kernel.escape.attack import Attack, Category

__all__ = ["ATTACKS"]

_attack = partial(Attack, category=Category.FILES)

ATTACKS = (
    _attack(
        id="overlay-whiteout",
        title="remove a hidden dot-file's whiteout and make it again",
        code="""
attempt()
for name in (".env", ".git", ".ipynb_checkpoints", "notes/.env"):
    for act in (os.unlink, os.rmdir):
        with contextlib.suppress(OSError):
            act(name)
    with contextlib.suppress(OSError):
        os.rename(name, "shown")
    read(name)
    read(name + "/config")
    read("shown")
    with contextlib.suppress(OSError):
        os.mkdir(name)
        read(name + "/config")
        read(name + "/lesson-checkpoint.ipynb")
""",
    ),
    _attack(
        id="overlay-opaque",
        title="take the opaque mark off a hidden folder",
        code="""
attempt()
for name in (".git", ".ipynb_checkpoints", ".", "notes", ".env"):
    for space in ("user", "trusted"):
        for attribute in ("opaque", "whiteout", "metacopy", "redirect", "origin", "xwhiteouts"):
            with contextlib.suppress(OSError):
                os.removexattr(name, f"{space}.overlay.{attribute}")
                got(f"removed {space}.overlay.{attribute} of {name}")
read(".git/config")
read(".ipynb_checkpoints/lesson-checkpoint.ipynb")
read(".env")
""",
    ),
    _attack(
        id="overlay-redirect",
        title="redirect a folder of the view to one outside",
        code="""
attempt()
os.makedirs("mine", exist_ok=True)
open("mine/file", "w").close()
for space in ("user", "trusted"):
    for target in (b"/.git", b"../../private.txt", T["home"].encode(), b".git"):
        for path in ("mine", "mine/file"):
            with contextlib.suppress(OSError):
                os.setxattr(path, f"{space}.overlay.redirect", target)
            with contextlib.suppress(OSError):
                os.setxattr(path, f"{space}.overlay.metacopy", b"")
read("mine/config")
read("mine/private.txt")
read("mine/file")
""",
    ),
    _attack(
        id="overlay-escaped-attributes",
        title="nest overlay attributes to have them unwrapped",
        code="""
attempt()
os.makedirs("nest", exist_ok=True)
for name in ("user.overlay.overlay.opaque", "user.overlay.overlay.redirect", "user.overlay.overlay.whiteout",
             "trusted.overlay.overlay.redirect", "security.overlay", "system.posix_acl_access"):
    with contextlib.suppress(OSError):
        os.setxattr("nest", name, b"/.git")
read("nest/config")
read(".git/config")
""",
    ),
    _attack(
        id="overlay-rename-over",
        title="move and exchange folders over hidden and read-only ones",
        code="""
attempt()
os.makedirs("decoy", exist_ok=True)
AT = -100
number = 316 if not _ARM else 276
for flags in (0, 1, 2, 4):
    for source, target in ((b".git", b"decoy"), (b"decoy", b".git"), (b".env", b"decoy/env"), (b"notes", b"decoy/notes")):
        syscall_number(number, AT, source, AT, target, flags)
for path in ("decoy/config", ".git/config", "decoy/env", "decoy/notes/.env", "notes/.env"):
    read(path)
""",
    ),
    _attack(
        id="overlay-layers",
        title="find the layers behind the view and reach into them",
        code="""
attempt()
text = read("/proc/self/mountinfo").decode() + read("/proc/self/mounts").decode()
import re
places = set(re.findall(r"(?:lowerdir|upperdir|workdir)\\+?=([^,\\s]+)", text)) | set(re.findall(r"(/[^\\s,:]+)", text))
for place in places:
    for part in place.split(":"):
        for name in (".env", ".git/config", "../private.txt", "index/.env", "work/.env"):
            read(os.path.join(part, name))
        with contextlib.suppress(OSError), open(os.path.join(part, "data.csv"), "a") as file:
            file.write("")
""",
    ),
    _attack(
        id="overlay-mmap-shared",
        title="write to the lower file through a shared mapping",
        stock=True,
        code="""
attempt()
import mmap
before = os.open("data.csv", os.O_RDONLY)
with open("data.csv", "r+b") as file, mmap.mmap(file.fileno(), 0) as view:
    view[:4] = b"evil"
    view.flush()
with contextlib.suppress(OSError, ValueError):
    with mmap.mmap(before, 0, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ | mmap.PROT_WRITE) as view:
        view[:4] = b"evil"
""",
    ),
    _attack(
        id="overlay-reopen",
        title="reopen a read-only descriptor of the lower file for writing",
        code="""
attempt()
fd = os.open("notes/readme.txt", os.O_RDONLY)
for path in (f"/proc/self/fd/{fd}", f"/dev/fd/{fd}"):
    with contextlib.suppress(OSError):
        other = os.open(path, os.O_RDWR | os.O_TRUNC)
        os.write(other, b"evil")
""",
    ),
    _attack(
        id="overlay-ioctl",
        title="set immutable flags, clone and swap extents through the view",
        code="""
attempt()
import fcntl
for name in ("data.csv", ".", "notes"):
    fd = os.open(name, os.O_RDONLY)
    for request, value in ((0x40086602, struct.pack("l", 0x10)), (0x401C5820, bytes(28)), (0xC0189436, bytes(24))):
        with contextlib.suppress(OSError):
            fcntl.ioctl(fd, request, value)
    os.close(fd)
""",
    ),
    _attack(
        id="files-folder-modules",
        title="modules in the notebook's folder, for the relay to import at its start",
        stock=True,
        from_start=True,
        code="""
attempt()
print(sorted(name for name in os.listdir() if name.endswith(".py")))
""",
    ),
    _attack(
        id="overlay-kernel-config",
        title="plant a configuration for the next kernel in the folder",
        stock=True,
        code="""
attempt()
for name in ("coderemote_kernel_config.py", "jupyter_config.json", "ipykernel_launcher.py", "sitecustomize.py",
             "coderemote_kernel.py", "zmq.py", "orjson.py"):
    with contextlib.suppress(OSError), open(name, "w") as file:
        file.write("c.CodeRemoteKernel.trusted_output = True\\n")
""",
    ),
)
