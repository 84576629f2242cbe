"""Reading and changing files that are not the jail's: by path, by link, by mount, by device."""

from __future__ import annotations

from functools import partial

from coderemote_kernel.escape.attack import Attack, Category

__all__ = ["ATTACKS"]

_attack = partial(Attack, category=Category.FILES)

ATTACKS = (
    _attack(
        id="files-home",
        title="read the user's home by its absolute path",
        stock=True,
        code="""
attempt()
for name in ("private.txt", ".ssh/id_ed25519", ".bashrc", "rootonly.txt"):
    read(os.path.join(T["home"], name))
""",
    ),
    _attack(
        id="files-dotdot",
        title="climb out of the working directory",
        stock=True,
        code="""
attempt()
for depth in range(1, 12):
    read("../" * depth + "private.txt")
    read("../" * depth + T["home"].lstrip("/") + "/private.txt")
""",
    ),
    _attack(
        id="files-neighbour",
        title="read another user's files",
        stock=True,
        code="""
attempt()
read(T["other"] + "/notes.txt")
read(T["other"] + "/locked/keys.txt")
""",
    ),
    _attack(
        id="files-shadow",
        title="read the machine's accounts and host keys",
        code="""
attempt()
for path in ("/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/ssh/ssh_host_ed25519_key",
             "/root/.bash_history", "/root/.ssh/id_ed25519", "/etc/machine-id"):
    with contextlib.suppress(OSError), open(path, "rb") as file:
        got(f"{path} {len(file.read())}")
accounts = open("/etc/passwd").read().count("\\n") if os.path.exists("/etc/passwd") else 0
if accounts > 12:
    got(f"{accounts} accounts of the machine")
""",
    ),
    _attack(
        id="files-tmp",
        title="read what others keep in /tmp and /dev/shm",
        stock=True,
        code="""
attempt()
for path in T["tmp"]:
    read(path)
for folder in ("/tmp", "/dev/shm", "/var/tmp", "/run"):
    with contextlib.suppress(OSError):
        if any(T["marker"] in name or name == os.path.basename(T["root"]) for name in os.listdir(folder)):
            got(f"a look into {folder}")
""",
    ),
    _attack(
        id="files-write-tmp",
        title="change and remove what others keep in /tmp and /dev/shm",
        stock=True,
        code="""
attempt()
for path in T["tmp"]:
    with contextlib.suppress(OSError), open(path, "r+") as file:
        file.write("changed")
""",
    ),
    _attack(
        id="files-plant-startup",
        title="plant code that the user's next shell, IPython or login runs",
        stock=True,
        code="""
attempt()
for path in (".ipython/profile_default/startup/00-plant.py", ".ssh/authorized_keys", ".bashrc"):
    with contextlib.suppress(OSError), open(os.path.join(T["home"], path), "a") as file:
        file.write("\\nplanted = True\\n")
""",
    ),
    _attack(
        id="files-folder-unchanged",
        title="change, truncate, rename and remove the notebook's own files",
        stock=True,
        code="""
attempt()
for act in (lambda: open("data.csv", "a").write("mallory,9\\n"), lambda: os.rename("lesson.ipynb", "gone.ipynb"),
            lambda: os.remove("notes/readme.txt"), lambda: open("new.txt", "w").write("new"),
            lambda: os.chmod("data.csv", 0o777), lambda: os.utime("data.csv", (1, 1)),
            lambda: os.mkdir("made"), lambda: os.truncate("data.csv", 3)):
    with contextlib.suppress(OSError):
        act()
""",
    ),
    _attack(
        id="files-folder-absolute",
        title="change the notebook's folder by its absolute path",
        stock=True,
        code="""
attempt()
for name in ("data.csv", "notes/readme.txt", ".env"):
    with contextlib.suppress(OSError), open(os.path.join(T["folder"], name), "a") as file:
        file.write("changed")
""",
    ),
    _attack(
        id="files-dotfiles",
        title="read the folder's dot-files and checkpoints",
        stock=True,
        code="""
attempt()
for base in (".", T["folder"], "/proc/self/cwd"):
    for name in (".env", ".git/config", ".ipynb_checkpoints/lesson-checkpoint.ipynb"):
        read(os.path.join(base, name))
""",
    ),
    _attack(
        id="files-dotfiles-nested",
        title="read a dot-file in a folder of the folder",
        stock=True,
        code="""
attempt()
for path in ("notes/.env", "./notes/../notes/.env", os.path.join(T["folder"], "notes/.env")):
    read(path)
""",
    ),
    _attack(
        id="files-symlink-out",
        title="follow the folder's symbolic links out of it",
        stock=True,
        code="""
attempt()
read("leads-out")
read("leads-far/notes.txt")
read(os.path.join(T["folder"], "leads-out"))
""",
    ),
    _attack(
        id="files-symlink-made",
        title="make symbolic links to everything and follow them",
        stock=True,
        code="""
attempt()
import tempfile
with tempfile.TemporaryDirectory() as folder:
    for number, target in enumerate((T["home"], T["other"], T["runtime"], "/proc/1/root", "/proc/self/root")):
        link = os.path.join(folder, str(number))
        os.symlink(target, link)
        for name in ("private.txt", "notes.txt", "jpserver-1.json", T["home"].lstrip("/") + "/private.txt"):
            read(os.path.join(link, name))
""",
    ),
    _attack(
        id="files-hardlink",
        title="make hard links to files outside",
        stock=True,
        code="""
attempt()
for number, path in enumerate((T["home"] + "/private.txt", T["other"] + "/notes.txt", T["tmp"][0])):
    for place in ("/tmp", ".", "/dev/shm"):
        with contextlib.suppress(OSError):
            os.link(path, f"{place}/link-{number}")
            read(f"{place}/link-{number}")
            os.unlink(f"{place}/link-{number}")
""",
    ),
    _attack(
        id="files-proc-root",
        title="go through /proc/*/root, cwd and exe of every process",
        code="""
attempt()
pids = [1, 2, os.getppid(), T["relay"], T["bystander"], *range(3, 300)]
for pid in pids:
    for way in ("root", "cwd", "task/1/root"):
        for target in (T["home"].lstrip("/") + "/private.txt", "../private.txt"):
            read(f"/proc/{pid}/{way}/{target}")
""",
    ),
    _attack(
        id="files-proc-fd-climb",
        title="climb out through directories held by processes",
        code="""
attempt()
for pid in (1, os.getpid(), os.getppid()):
    for number in range(64):
        for target in ("../" * 9 + T["home"].lstrip("/") + "/private.txt", T["home"].lstrip("/") + "/private.txt"):
            read(f"/proc/{pid}/fd/{number}/{target}")
""",
    ),
    _attack(
        id="files-host-proc",
        title="find the machine's own processes in /proc",
        stock=True,
        code="""
attempt()
for pid in (T["relay"], T["bystander"]):
    if b"--token=" in read(f"/proc/{pid}/cmdline") or b"coderemote_kernel" in read(f"/proc/{pid}/cmdline"):
        got(f"the command line of process {pid} outside")
""",
    ),
    _attack(
        id="files-readonly",
        title="write to everything that is mounted read-only",
        code="""
attempt()
import sysconfig
for folder in ("/usr", "/usr/lib", "/usr/local/lib", "/lib", "/bin", "/etc", "/coderemote", "/", sys.prefix,
               sys.base_prefix, sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"), "/dev", "/proc", "/sys"):
    with contextlib.suppress(OSError):
        path = os.path.join(folder, T["marker"])
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        os.unlink(path)
        got(f"a file in {folder}")
for path in (sys.executable, "/etc/passwd", "/etc/hosts", "/coderemote/init.py", "/coderemote/kernel.py", os.__file__):
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_WRONLY))
        got(f"{path} for writing")
""",
        # Without namespaces /dev is the machine's, and Landlock has no word for chmod or times.
    ),
    _attack(
        id="files-readonly-attributes",
        title="change modes, owners, times and attributes of what is read-only",
        code="""
attempt()
for path in ("/usr", "/usr/bin/env", "/etc", sys.prefix, sys.executable, os.__file__, "/coderemote", "/"):
    mode = os.stat(path).st_mode & 0o7777 if os.path.exists(path) else 0
    for name, act in (("chmod", lambda: os.chmod(path, mode)), ("utime", lambda: os.utime(path)),
                      ("xattr", lambda: os.setxattr(path, "user.crm", b"1")), ("chown", lambda: os.chown(path, -1, 0))):
        with contextlib.suppress(OSError):
            act()
            got(f"{name} of {path}")
""",
    ),
    _attack(
        id="files-remount",
        title="make read-only mounts writable",
        code="""
attempt()
MS_REMOUNT, MS_BIND, MS_RDONLY = 32, 4096, 1
for path in (b"/usr", b"/", b"/etc/passwd", b"/coderemote", os.getcwd().encode(), sys.prefix.encode()):
    for flags in (MS_REMOUNT | MS_BIND, MS_REMOUNT, MS_REMOUNT | MS_BIND | 2):
        if syscall("mount", None, path, None, flags, None) == 0:
            got(f"remounted {path}")
    if syscall("mount_setattr", -100, path, 0, struct.pack("QQQQ", 0, MS_RDONLY, 0, 0), 32) == 0:
        got(f"mount_setattr {path}")
    if syscall("umount2", path, 2) == 0:
        got(f"unmounted {path}")
""",
    ),
    _attack(
        id="files-mount",
        title="mount tmpfs, proc, the disk and binds, by the old and the new calls",
        code="""
attempt()
os.makedirs("/tmp/mnt", exist_ok=True)
for source, kind in ((T["marker"], "tmpfs"), ("proc", "proc"), ("sysfs", "sysfs"), ("/dev/vda", "ext4"),
                     ("/dev/sda1", "ext4"), ("none", "cgroup2"), ("none", "debugfs"), ("none", "overlay")):
    if syscall("mount", source.encode(), b"/tmp/mnt", kind.encode(), 0, None) == 0:
        got(f"mounted {kind}")
if syscall("mount", T["home"].encode(), b"/tmp/mnt", None, 4096, None) == 0:
    got("a bind of the home")
for name in ("tmpfs", "proc", "ext4"):
    context = syscall("fsopen", name.encode(), 0)
    if context >= 0:
        got(f"fsopen {name}")
if syscall("open_tree", -100, b"/", 1 | 0x8000) >= 0:
    got("open_tree clone")
""",
    ),
    _attack(
        id="files-submount",
        title="uncover what lies below a mount, and use the mounts below",
        code="""
attempt()
for line in read("/proc/self/mountinfo").decode().splitlines():
    fields = line.split()
    place, options = fields[4], fields[5].split(",")
    if "ro" in options:
        with contextlib.suppress(OSError):
            path = os.path.join(place, T["marker"])
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
            got(f"wrote below the read-only {place}")
    if syscall("umount2", place.encode(), 2) == 0:
        got(f"uncovered {place}")
""",
    ),
    _attack(
        id="files-mknod",
        title="make device nodes and open the disk, memory and port",
        code="""
attempt()
for number, (major, minor) in enumerate(((254, 0), (8, 0), (8, 1), (1, 1), (1, 2), (1, 4), (10, 200), (10, 232), (4, 0), (5, 1))):
    for place in ("/tmp", ".", "/dev/shm", "/dev"):
        for kind in (stat.S_IFBLK, stat.S_IFCHR):
            path = f"{place}/node{number}{kind}"
            with contextlib.suppress(OSError):
                os.mknod(path, kind | 0o666, os.makedev(major, minor))
                got(f"a device node {major}:{minor} in {place}")
for path in ("/dev/mem", "/dev/kmem", "/dev/port", "/dev/vda", "/dev/sda", "/dev/kmsg", "/dev/kvm", "/dev/fuse",
             "/dev/console", "/dev/tty0", "/dev/loop-control", "/dev/mapper/control", "/dev/vhost-net", "/dev/uinput"):
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_RDONLY))
        got(path)
""",
    ),
    _attack(
        id="files-chroot",
        title="break out of the root with chroot, pivot_root and a kept directory",
        code="""
attempt()
os.makedirs("/tmp/jail", exist_ok=True)
kept = os.open("/", os.O_RDONLY)
if syscall("chroot", b"/tmp/jail") == 0:
    got("chroot")
    os.fchdir(kept)
    os.chdir("../" * 30)
    syscall("chroot", b".")
    read(T["home"] + "/private.txt")
if syscall("pivot_root", b"/tmp/jail", b"/tmp/jail") == 0:
    got("pivot_root")
read("/" + "../" * 40 + T["home"] + "/private.txt")
""",
    ),
    _attack(
        id="files-handles",
        title="open files by handle, walking the inodes of the disk",
        code="""
attempt()
handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128))
mount_id = ctypes.c_int()
if syscall("name_to_handle_at", -100, b"/usr", handle, ctypes.byref(mount_id), 0) == 0:
    got("a handle of /usr")
where = os.open("/usr", os.O_RDONLY)
for inode in (2, 12, 11, 128):
    guess = ctypes.create_string_buffer(struct.pack("IiII", 8, 1, inode, 0))
    if syscall("open_by_handle_at", where, guess, os.O_RDONLY) >= 0:
        got(f"inode {inode}")
""",
    ),
    _attack(
        id="files-tmpfile-linkat",
        title="link an unnamed file into the folder outside",
        stock=True,
        code="""
attempt()
for place in (T["folder"], ".", "/tmp"):
    with contextlib.suppress(OSError):
        fd = os.open(place, os.O_TMPFILE | os.O_RDWR)
        os.write(fd, b"planted")
        for target in (T["folder"], T["other"], T["runtime"]):
            for path in (f"/proc/self/fd/{fd}".encode(), b""):
                # Following the link in /proc, or the empty path itself.
                flags = 0x400 if path else 0x1000
                syscall_number(265 if not _ARM else 37, fd, path, -100, f"{target}/planted.txt".encode(), flags)
        os.close(fd)
""",
    ),
    _attack(
        id="files-setuid",
        title="make setuid and capability-bearing programs of one's own",
        code="""
attempt()
import shutil
for place in ("/tmp", "."):
    path = f"{place}/suid"
    with contextlib.suppress(OSError):
        shutil.copy("/usr/bin/id" if os.path.exists("/usr/bin/id") else sys.executable, path)
        os.chmod(path, 0o6755)
        out = subprocess.run([path], capture_output=True, text=True, timeout=5).stdout
        if "euid=0" in out or "uid=0" in out:
            got(out)
    with contextlib.suppress(OSError):
        os.setxattr(path, "security.capability", struct.pack("<5I", 0x2000001, 0xFFFFFFFF, 0, 0xFFFFFFFF, 0))
        got(f"file capabilities in {place}")
""",
    ),
)
