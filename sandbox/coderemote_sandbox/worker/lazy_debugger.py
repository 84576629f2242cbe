"""A stand-in for ``ipykernel.debugger`` that loads debugpy on first use.

The stock module imports debugpy and pydevd when the kernel is made: 60 to 100 ms of every start,
for something few sessions use. JupyterLab asks ``debugInfo`` of every kernel it meets, so that one
question is answered here as the stock debugger would before it is started; any other request
brings in the real one.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import sys
import types
from typing import Any

__all__ = ["LazyDebugger", "install"]

_NAME = "ipykernel.debugger"


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
            sys.modules.pop(_NAME, None)
            real = importlib.import_module(_NAME)
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


def install() -> None:
    """Put the stand-in where ipykernel looks for its debugger; call before the kernel is made."""
    module = types.ModuleType(_NAME)
    module._is_debugpy_available = importlib.util.find_spec("debugpy") is not None  # type: ignore[attr-defined]
    module.Debugger = LazyDebugger  # type: ignore[attr-defined]
    sys.modules[_NAME] = module
