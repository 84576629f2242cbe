"""The numbers and names a session is run with, as plain values.

This module is imported on every start of a kernel, before anything else of the relay, so it costs
next to nothing: no traitlets, no pathlib, no typing. What the settings mean, what they take and how
a file or the command line sets them is in `coderemote_kernel.config`, which is imported only when
`needs_loading` says that there is something to read.
"""

# pathlib costs several milliseconds that every kernel start would pay.
# ruff: noqa: PTH110, PTH111, PTH118

from __future__ import annotations

import os
import site
import sys
from dataclasses import dataclass, field

# Type checkers take this name for true; importing it from typing would load typing.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Literal

    Tier = Literal["full", "full-noproc", "no-namespaces"]
    WorkspaceMode = Literal["overlay", "readonly", "none"]
    ImportPolicy = Literal["open", "teaching", "strict"]

__all__ = [
    "CONFIG_FILE_NAMES",
    "IMPORT_POLICIES",
    "TIERS",
    "WORKSPACE_MODES",
    "Settings",
    "config_directories",
    "data_directory",
    "history_path",
    "needs_loading",
]

TIERS: tuple[Tier, ...] = ("full", "full-noproc", "no-namespaces")
WORKSPACE_MODES: tuple[WorkspaceMode, ...] = ("overlay", "readonly", "none")
IMPORT_POLICIES: tuple[ImportPolicy, ...] = ("open", "teaching", "strict")

CONFIG_FILE_NAMES = ("coderemote_kernel_config.py", "coderemote_kernel_config.json")
"""The files read from each directory of Jupyter's configuration path; JSON wins over Python."""

_KIB = 1024
_MIB = 1024 * _KIB
_GIB = 1024 * _MIB


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a session can be told; the defaults are the product's defaults.

    The meaning of each field, with units and special values, is the help text of the trait of the
    same name on `coderemote_kernel.config.CodeRemoteKernel`; a test holds the two together.
    """

    cell_timeout_s: float = 120.0
    interrupt_grace_s: float = 2.0
    cpu_time_s: float = 0.0
    memory_bytes: int = _GIB
    processes: int = 256
    open_files: int = 512
    file_size_bytes: int = 256 * _MIB
    workspace_bytes: int = 256 * _MIB
    workspace_inodes: int = 65_536
    tmp_bytes: int = 64 * _MIB
    text_output_bytes: int = 32 * _MIB
    rich_output_bytes: int = 128 * _MIB
    output_messages: int = 100_000
    cpus: float = 0.0
    tier: Tier = "full"
    require_cgroup: bool = False
    cgroup_parent: str = ""
    nsjail: str = ""
    interpreter: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    workspace: str = ""
    workspace_mode: WorkspaceMode = "overlay"
    extra_read_only: tuple[str, ...] = ()
    import_policy: ImportPolicy = "open"
    extra_allowed_imports: tuple[str, ...] = ()
    trusted_output: bool = False
    extra_widget_modules: tuple[str, ...] = ()
    extra_comm_targets: tuple[str, ...] = ()
    history_file: str = ""
    audit_log: str = ""


def needs_loading(argv: Sequence[str]) -> bool:
    """Tell whether anything but the defaults can apply, without importing traitlets.

    Parameters
    ----------
    argv
        The kernel's arguments, without the program's name.

    Returns
    -------
    bool
        False only if the arguments are nothing but the connection file and no configuration file
        lies in a directory that Jupyter would look into. True may be a false alarm; it costs the
        time of `coderemote_kernel.config.load`, nothing else.
    """
    if _has_more_than_connection_file(argv):
        return True
    directories = config_directories()
    return directories is None or any(
        os.path.exists(os.path.join(directory, name))
        for directory in directories
        for name in CONFIG_FILE_NAMES
    )


def _has_more_than_connection_file(argv: Sequence[str]) -> bool:
    arguments: Iterable[str] = iter(argv)
    for argument in arguments:
        if argument in {"-f", "--f"}:
            # The file's name follows; a missing one is for the relay to complain about.
            next(iter(arguments), None)
        elif argument.startswith("-") and not argument.startswith(("-f=", "--f=")):
            return True
    return False


def config_directories() -> list[str] | None:
    """Return the directories of ``jupyter_core.paths.jupyter_config_path()``, in no order.

    It may name a directory more than jupyter_core would; never one less. None means that only
    jupyter_core itself can tell (``JUPYTER_PLATFORM_DIRS``).
    """
    environ = os.environ
    if environ.get("JUPYTER_NO_CONFIG"):
        # jupyter_core answers with a directory it has made a moment before, hence an empty one.
        return []
    if _uses_platform_dirs():
        return None
    path = environ.get("JUPYTER_CONFIG_PATH", "").split(os.pathsep)
    directories = [directory.rstrip(os.sep) for directory in path]
    directories.append(environ.get("JUPYTER_CONFIG_DIR") or os.path.join(_home(), ".jupyter"))
    if base := site.getuserbase():
        directories.append(os.path.join(base, "etc", "jupyter"))
    directories.append(os.path.join(sys.prefix, "etc", "jupyter"))
    directories += ["/usr/local/etc/jupyter", "/etc/jupyter"]
    # An empty entry of JUPYTER_CONFIG_PATH would mean the notebook's folder, which may have been
    # downloaded from anywhere: it must not be able to configure its own jail.
    return [directory for directory in directories if directory]


def data_directory() -> str:
    """Return ``jupyter_core.paths.jupyter_data_dir()`` without importing jupyter_core."""
    environ = os.environ
    if explicit := environ.get("JUPYTER_DATA_DIR"):
        return explicit
    if _uses_platform_dirs() or sys.platform != "linux":
        from jupyter_core.paths import jupyter_data_dir

        return jupyter_data_dir()
    share = environ.get("XDG_DATA_HOME") or os.path.join(_home(), ".local", "share")
    return os.path.join(share, "jupyter")


def history_path(settings: Settings) -> str:
    """Return the file the history is kept in, or ``:memory:``."""
    return settings.history_file or os.path.join(data_directory(), "coderemote", "history.sqlite")


def _home() -> str:
    return os.path.realpath(os.path.expanduser("~"))


def _uses_platform_dirs() -> bool:
    value = os.environ.get("JUPYTER_PLATFORM_DIRS")
    return value is not None and value.lower() not in {"no", "n", "false", "off", "0", "0.0"}
