"""Loopback listeners of every kind: whoever speaks to one is noted."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Listeners"]


class Listeners:
    """TCP, UDP and unix sockets outside the jail that nobody has a reason to speak to.

    Attributes
    ----------
    heard
        Name of the listener, once for each connection or datagram.
    targets
        Where they listen, for the attacks.
    """

    def __init__(self, folder: Path) -> None:
        self.heard: list[str] = []
        self.targets: dict[str, Any] = {"door": str(folder / "door"), "slot": str(folder / "slot")}
        self.targets["abstract"] = f"crm-{secrets.token_hex(8)}"
        self._socks: list[socket.socket] = []
        local = ("127.0.0.1", 0)
        self.targets["tcp"] = self._open("tcp", socket.AF_INET, socket.SOCK_STREAM, local)[1]
        self.targets["udp"] = self._open("udp", socket.AF_INET, socket.SOCK_DGRAM, local)[1]
        self.targets["tcp6"] = 0
        with contextlib.suppress(OSError):  # a machine without IPv6
            bound = self._open("tcp6", socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0))
            self.targets["tcp6"] = bound[1]
        abstract = "\0" + self.targets["abstract"]
        self._open("abstract socket", socket.AF_UNIX, socket.SOCK_STREAM, abstract)
        for path, kind in (("door", socket.SOCK_STREAM), ("slot", socket.SOCK_DGRAM)):
            self._open(f"unix {path}", socket.AF_UNIX, kind, self.targets[path])
            (folder / path).chmod(0o777)

    def close(self) -> None:
        """Stop listening."""
        for sock in self._socks:
            # A thread in accept() or recv() is only woken by a shutdown.
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _open(self, name: str, family: int, kind: int, address: Any) -> Any:  # noqa: ANN401
        sock = socket.socket(family, kind)
        try:
            sock.bind(address)
        except OSError:
            sock.close()
            raise
        if kind == socket.SOCK_STREAM:
            sock.listen(64)
        self._socks.append(sock)
        threading.Thread(target=self._listen, args=(name, sock), daemon=True).start()
        return sock.getsockname()

    def _listen(self, name: str, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                if sock.type == socket.SOCK_STREAM:
                    sock.accept()[0].close()
                elif not sock.recv(64):
                    return
                self.heard.append(name)
