"""The stage: a private mount namespace in which a session's files are laid out.

Jails come and go within a session; what the user's cells wrote must not. So the working directory
is mounted here, once, by the trusted side, and every jail of the session binds it from here. The
namespace has no process in it: an open descriptor keeps it alive, and when the relay ends, however
it ends, the kernel takes namespace, mounts and their memory away.

Two more things can only be done here:

- the jail must not see dot-files: they are masked by whiteouts in a layer of the overlay that the
  worker has no way to;
- where the relay is root, nsjail mounts after it has taken the worker's identity, to which a Python
  below a 0700 home is out of reach: such sources are bound here first.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from . import _kernel_calls as kernel
from . import hidden, masks, trees
from .doctor import apparmor
from .errors import WorkspaceError
from .trees import JAIL_UID

if TYPE_CHECKING:
    from collections.abc import Callable

    from .limits import Limits

__all__ = ["JAIL_UID", "Stage", "StageRequest", "WorkspaceMode"]

WorkspaceMode = Literal["overlay", "readonly", "none"]

_MOST_WATCHED = 32
"""Folders whose changes are noticed, the outermost first: a stat each, before every cell."""

# Somewhere to hang the tmpfs in the private namespace; what it covers is covered only there.
_PLACES = ("/mnt", "/media", "/srv", "/opt", "/tmp")  # noqa: S108


class StageRequest(NamedTuple):
    """What is to be laid out.

    Attributes
    ----------
    folder
        The notebook's folder, or None for an empty working directory.
    mode
        ``overlay`` (copy on write), ``readonly`` (folder beside an empty working directory) or
        ``none``.
    sources
        Paths that the jail will bind and that its user may not be able to reach.
    read_only
        Further folders to show; not as they are but through an overlay, in which a socket is only
        a name: connecting to one that is bind-mounted, read-only or not, leads to the host.
    """

    folder: str | None
    mode: WorkspaceMode
    sources: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()


@dataclass(slots=True, eq=False, repr=False)
class Stage:
    """A stage that stands.

    Attributes
    ----------
    workspace
        Path of the writable working directory, inside the stage.
    folder
        Path of the read-only view of the notebook's folder, where it is not merged into the
        workspace.
    sources
        Where each requested source is to be bound from.
    mode
        What was to be had, which may be less than was asked for.
    note
        Why it is less, in a sentence; empty if it is not.
    unseen
        Folders hidden because they could not be looked through in time.
    """

    workspace: str
    folder: str | None
    sources: dict[str, str]
    mode: WorkspaceMode
    note: str
    unseen: list[str]
    _namespaces: list[tuple[int, int]] = field(default_factory=list)
    _upper: int = -1
    _merged: str = ""
    _folders: tuple[str, ...] = ()
    _seen: tuple[int, ...] = ()

    @classmethod
    def build(cls, request: StageRequest, limits: Limits) -> Stage:
        """Lay out a stage; call from the main thread.

        Raises
        ------
        WorkspaceError
            The folder cannot be read.
        OSError
            This machine gives no private mount namespace.
        """
        if request.folder is not None and not os.access(request.folder, os.R_OK | os.X_OK):
            msg = (
                f"the notebook's folder {request.folder} cannot be read. "
                "Check its permissions, or set CodeRemoteKernel.workspace to another folder"
            )
            raise WorkspaceError(msg)
        report_in, report_out = os.pipe()
        done_in, done_out = os.pipe()
        builder = os.fork()
        if builder == 0:
            os.close(report_in)
            os.close(done_out)  # or this child would keep its own signal to leave from coming
            _be_builder(lambda: _lay_out(request, limits), report_out, done_in)
        os.close(report_out)
        os.close(done_in)
        try:
            with os.fdopen(report_in, "rb") as pipe:
                report: dict[str, Any] = json.loads(pipe.readline() or b'{"errno": 5}')
            if "errno" in report:
                raise OSError(report["errno"], report.get("error", "the stage's builder died"))
            return cls._adopt(builder, report, request.folder)
        finally:
            os.close(done_out)
            os.waitpid(builder, 0)

    @classmethod
    def _adopt(cls, builder: int, report: dict[str, Any], folder: str | None) -> Stage:
        """Take hold of the namespaces before the process that made them is let go."""
        kinds = [("mnt", kernel.CLONE_NEWNS)]
        if os.geteuid() != 0:
            kinds.insert(0, ("user", kernel.CLONE_NEWUSER))
        namespaces = [
            (os.open(f"/proc/{builder}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC), flag)
            for name, flag in kinds
        ]
        upper_path = report.pop("upper")
        upper = os.open(f"/proc/{builder}/root{upper_path}", os.O_PATH | os.O_CLOEXEC)
        merged = report.pop("merged")
        folders = tuple(os.path.join(folder or "", path) for path in report.pop("folders"))
        return cls(
            **report,
            _namespaces=namespaces,
            _upper=upper,
            _merged=merged,
            _folders=folders if merged else (),
            _seen=_times(folders) if merged else (),
        )

    def enter(self) -> None:
        """Move this process, a child about to run nsjail, onto the stage."""
        for descriptor, flag in self._namespaces:
            kernel.setns(descriptor, flag)

    def refresh(self) -> bool:
        """Have the overlay look at the folder anew; False if there was no need.

        An overlay remembers the names it has looked up. A file that was replaced outside, which
        is how editors and Jupyter save, would go on being the old one inside. Remounting makes the
        kernel forget the names; when, is told by the times of the folders.
        """
        now = _times(self._folders)
        if now == self._seen:
            return False
        self._seen = now
        child = os.fork()
        if child == 0:
            with contextlib.suppress(OSError):
                self.enter()
                kernel.mount("overlay", self._merged, "overlay", kernel.MS_REMOUNT)
            os._exit(0)
        os.waitpid(child, 0)
        return True

    def usage(self) -> tuple[int, int]:
        """Return bytes and files written in the working directory so far."""
        facts = os.statvfs(self._upper)
        used = (facts.f_blocks - facts.f_bfree) * facts.f_frsize
        return used, facts.f_files - facts.f_ffree

    def close(self) -> None:
        """Let the namespaces go, and with them everything the session wrote."""
        for descriptor, _ in self._namespaces:
            os.close(descriptor)
        self._namespaces = []
        if self._upper >= 0:
            os.close(self._upper)
            self._upper = -1


def _times(folders: tuple[str, ...]) -> tuple[int, ...]:
    """Return when each folder last had an entry added, removed or replaced; 0 if it is gone."""
    times = []
    for folder in folders:
        try:
            times.append(os.stat(folder).st_mtime_ns)
        except OSError:
            times.append(0)
    return tuple(times)


def _be_builder(work: Callable[[], dict[str, Any]], report_out: int, done_in: int) -> None:
    """Do `work` in this child, report, wait until the parent has what it wants, and leave."""
    try:
        kernel.die_with_parent(signal.SIGKILL)
        report = work()
    except OSError as error:
        report = {"errno": error.errno or errno.EIO, "error": error.strerror or str(error)}
    except BaseException as error:  # noqa: BLE001 - a process border; the parent raises it
        report = {"errno": errno.EIO, "error": f"{type(error).__name__}: {error}"}
    os.write(report_out, json.dumps(report).encode() + b"\n")
    os.close(report_out)
    while os.read(done_in, 1):
        pass
    os._exit(0)


def _lay_out(request: StageRequest, limits: Limits) -> dict[str, Any]:
    privileged = os.geteuid() == 0
    _make_namespaces(privileged=privileged)
    # Open everything before the tmpfs covers a place that may be on the way to it.
    bound = {source: trees.detached(source) for source in request.sources if privileged}
    further = {folder: trees.detached(folder) for folder in request.read_only}
    lower = _folder_tree(request, privileged=privileged)
    base = _base()
    owner = (JAIL_UID, JAIL_UID) if privileged else (os.geteuid(), os.getegid())
    sources = _place_sources(bound, base)
    upper_fs = _writable(base, limits, owner)
    layout: dict[str, Any] = {
        "workspace": f"{upper_fs}/upper",
        "folder": None,
        "sources": {
            **{source: source for source in request.sources},
            **sources,
            **_place_read_only(further, base, privileged=privileged),
        },
        "mode": request.mode if lower is not None else "none",
        "note": "",
        "unseen": [],
        "upper": f"{upper_fs}/upper",
        "merged": "",
        "folders": [],
    }
    if lower is not None:
        place = _directory(f"{base}/lower")
        kernel.place_tree(lower, place)
        _show_folder(layout, base, place, owner, privileged=privileged)
    return layout


def _make_namespaces(*, privileged: bool) -> None:
    if privileged:
        kernel.unshare(kernel.CLONE_NEWNS)
    else:
        uid, gid = os.geteuid(), os.getegid()
        apparmor.enter_profile()
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
        kernel.set_dumpable(on=True)  # changing identity closed our own /proc files
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            trees.write(f"/proc/self/{name}", text)
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)


def _folder_tree(request: StageRequest, *, privileged: bool) -> int | None:
    if request.folder is None or request.mode == "none":
        return None
    tree = trees.detached(request.folder)
    if privileged:
        facts = os.stat(request.folder)
        try:
            namespace = trees.id_map(facts.st_uid, facts.st_gid)
            kernel.map_ids_of_tree(tree, namespace)
            os.close(namespace)
        except OSError:
            pass  # file systems without mapped ids: readable as far as "others" may read
    return tree


def _base() -> str:
    place = next(path for path in _PLACES if os.path.isdir(path))
    kernel.mount("tmpfs", place, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=32M,mode=755")
    return place


def _place_sources(bound: dict[str, int], base: str) -> dict[str, str]:
    placed = {}
    for number, (source, tree) in enumerate(bound.items()):
        target = f"{base}/source-{number}"
        if stat.S_ISDIR(os.fstat(tree).st_mode):
            _directory(target)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
        kernel.place_tree(tree, target)
        placed[source] = target
    return placed


def _place_read_only(bound: dict[str, int], base: str, *, privileged: bool) -> dict[str, str]:
    placed = {}
    for number, (folder, tree) in enumerate(bound.items()):
        plain = _directory(f"{base}/plain-{number}")
        kernel.place_tree(tree, plain)
        place = _directory(f"{base}/read-only-{number}")
        try:
            _overlay_of((_directory(f"{base}/nothing-{number}"), plain), place, privileged)
        except OSError:
            place = plain  # this file system is no layer of an overlay
        placed[folder] = place
    return placed


def _overlay_of(lower: tuple[str, ...], place: str, privileged: bool, more: str = "") -> None:
    options = f"lowerdir={':'.join(lower)}{more}"
    if not privileged:
        options += ",userxattr"  # trusted.* attributes are for root alone
    kernel.mount("overlay", place, "overlay", 0, options)


def _writable(base: str, limits: Limits, owner: tuple[int, int]) -> str:
    """Mount the file system that holds all the session writes, at exactly its allowed size."""
    place = _directory(f"{base}/session")
    # Three files more than allowed: the root and the two folders below are ours.
    size = f"size={limits.workspace_bytes},nr_inodes={limits.workspace_inodes + 3},mode=711"
    kernel.mount("tmpfs", place, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, size)
    for name in ("upper", "work"):
        os.chown(_directory(f"{place}/{name}"), *owner)
    return place


def _show_folder(
    layout: dict[str, Any], base: str, lower: str, owner: tuple[int, int], *, privileged: bool
) -> None:
    """Merge the folder into the workspace, or else put it beside, and mask what is hidden."""
    found = hidden.find(lower)
    layout["unseen"] = found.unseen
    layout["folders"] = found.folders[:_MOST_WATCHED]
    failure = None
    try:
        masks.mask(lower, _directory(f"{base}/mask"), found)
        if layout["mode"] == "overlay":
            _overlay(base, lower, owner, privileged=privileged)
            layout["workspace"] = layout["merged"] = f"{base}/workspace"
            return
    except OSError as error:
        failure = error
        layout["note"] = (
            f"no copy-on-write view of the folder ({error.strerror}): it is read-only at "
            "/notebook, and files are written in /workspace"
        )
    layout["mode"] = "readonly"
    layout["folder"] = f"{base}/folder"
    try:
        if failure is not None:
            raise failure
        _overlay_of((f"{base}/mask", lower), _directory(f"{base}/folder"), privileged)
        layout["merged"] = f"{base}/folder"
    except OSError:
        masks.cover(lower, found)
        layout["folder"] = lower


def _overlay(base: str, lower: str, owner: tuple[int, int], *, privileged: bool) -> None:
    session = f"{base}/session"
    facts = os.stat(lower)
    os.chown(f"{session}/upper", *owner)
    os.chmod(f"{session}/upper", stat.S_IMODE(facts.st_mode) | 0o700)
    upper = f",upperdir={session}/upper,workdir={session}/work"
    layers = (f"{base}/mask", lower)
    _overlay_of(layers, _directory(f"{base}/workspace"), privileged, upper)


def _directory(path: str) -> str:
    os.mkdir(path, 0o755)
    return path
