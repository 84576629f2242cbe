"""Stand-ins for what ipykernel imports at every start and few sessions use.

``ipykernel.debugger``
    imports debugpy and pydevd, 60 to 100 ms of every start. JupyterLab asks ``debugInfo`` of every
    kernel it meets, so that one question is answered here as the stock debugger would before it is
    started; any other request brings in the real one.
``dateutil.parser``
    is imported by jupyter_client, which parses with it the dates of messages that are not in
    Python's own format: about 10 ms.
``jupyter_client``
    is a package of clients; a kernel needs two modules of it, and not what its ``__init__`` brings
    in: about 25 ms.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import sys
import types
from typing import Any

__all__ = ["LazyDebugger", "install", "uninstall"]

_DEBUGGER = "ipykernel.debugger"
_DATES = "dateutil.parser"


class LazyDebugger:
    """Holds the constructor's arguments until a debug request needs the real debugger."""

    def __init__(self, *args: Any) -> None:
        self._args = args
        self._real: Any = None
        self._loaded = asyncio.Event()

    @property
    def tcp_client(self) -> Any:
        """The real debugger's client; only asked for once there is one."""
        return self._real.tcp_client

    async def handle_stopped_event(self) -> None:
        """Wait until there is a debugger, then do as it does."""
        await self._loaded.wait()
        await self._real.handle_stopped_event()

    async def process_request(self, message: dict[str, Any]) -> Any:
        """Answer one request of the Debug Adapter Protocol."""
        if self._real is None:
            if message.get("command") == "debugInfo":
                return self._info(message)
            sys.modules.pop(_DEBUGGER, None)
            real = importlib.import_module(_DEBUGGER)
            self._real = real.Debugger(*self._args)
            self._loaded.set()
        return await self._real.process_request(message)

    def _info(self, message: dict[str, Any]) -> dict[str, Any]:
        compiler = importlib.import_module("ipykernel.compiler")
        return {
            "type": "response",
            "request_seq": message.get("seq"),
            "success": True,
            "command": "debugInfo",
            "body": {
                "isStarted": False,
                "hashMethod": "Murmur2",
                "hashSeed": compiler.get_tmp_hash_seed(),
                "tmpFilePrefix": str(compiler.get_tmp_directory()) + "/",
                "tmpFileSuffix": ".py",
                "breakpoints": [],
                "stoppedThreads": [],
                "richRendering": True,
                "exceptionPaths": ["Python Exceptions"],
                "copyToGlobals": True,
            },
        }


def _without_init(name: str, homes: dict[str, str]) -> None:
    """Let modules of a package be imported without its ``__init__``, until something needs that.

    `homes` says in which module a name lies that the package re-exports.
    """
    spec = importlib.util.find_spec(name)
    if name in sys.modules or spec is None or spec.loader is None:
        return
    loader = spec.loader
    package = importlib.util.module_from_spec(spec)

    def fetch(attribute: str) -> Any:
        if attribute in homes:
            return getattr(importlib.import_module(homes[attribute]), attribute)
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        del vars(package)["__getattr__"]
        loader.exec_module(package)
        return getattr(package, attribute)

    vars(package)["__getattr__"] = fetch
    sys.modules[name] = package


def _isoparse(text: str) -> Any:
    return importlib.import_module(_DATES).isoparse(text)


def install() -> None:
    """Put the stand-ins where ipykernel will look; call before it is imported."""
    debugger = types.ModuleType(_DEBUGGER)
    there = importlib.util.find_spec("debugpy") is not None
    vars(debugger).update(_is_debugpy_available=there, Debugger=LazyDebugger)
    sys.modules[_DEBUGGER] = debugger
    dates = types.ModuleType(_DATES)
    vars(dates).update(isoparse=_isoparse)
    sys.modules[_DATES] = dates
    _without_init("jupyter_client", {"write_connection_file": "jupyter_client.connect"})


def uninstall() -> None:
    """Give the user's own imports the real modules; call when ipykernel is imported.

    The debugger's stays until it is used: ipykernel asks for it again on every debug request.
    """
    sys.modules.pop(_DATES, None)
