"""What a cell costs a person at a notebook: through the Jupyter Server's websocket.

Stock is a stock kernel on a Jupyter Server without our extension; ours is our kernel on a server
with it. Both servers run at once, and cells go to them in blocks that take turns.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any, Self

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from . import processes
from .kernels import BOTH, OURS, STOCK, BenchError
from .results import Section, compare

if TYPE_CHECKING:
    from pathlib import Path

    from tornado.websocket import WebSocketClientConnection

    from .kernels import Bench

PROTOCOL = "v1.kernel.websocket.jupyter.org"  # what JupyterLab speaks
EXTENSION = "coderemote_server"
BLOCK_CELLS = 25
START_TIMEOUT_S = 60.0


class Server:
    """A Jupyter Server with one kernel and one websocket to it."""

    def __init__(self, home: Path, kernel: str, *, extended: bool) -> None:
        self.kernel = kernel
        self._token = uuid.uuid4().hex
        self._address = f"127.0.0.1:{_free_port()}"
        self._session = uuid.uuid4().hex
        folder = home / f"server-{kernel}"
        folder.mkdir(exist_ok=True)
        self.log = home / f"server-{kernel}.log"
        arguments = [
            "--no-browser",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self._address.rpartition(':')[2]}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={folder}",
            f"--IdentityProvider.token={self._token}",
            f"--ServerApp.jpserver_extensions={{'{EXTENSION}': {extended}}}",
            *(["--allow-root"] if os.geteuid() == 0 else []),
        ]
        environment = {
            **os.environ,
            "IPYTHONDIR": str(home / "ipython"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTER_CONFIG_DIR": str(home / "config"),
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jupyter_server", *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._socket: WebSocketClientConnection | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._socket is not None:
            self._socket.close()
        self.close()

    def close(self) -> None:
        """End the server and its kernel."""
        processes.end(self._process.pid)
        self._process.wait(10)

    async def _open(self) -> None:
        await self._wait_until_up()
        body = json.dumps({"name": self.kernel})
        reply = await self._request("api/kernels", method="POST", body=body)
        kernel_id = json.loads(reply)["id"]
        request = HTTPRequest(
            f"ws://{self._address}/api/kernels/{kernel_id}/channels?session_id={self._session}",
            headers=self._headers,
        )
        self._socket = await websocket_connect(
            request, subprotocols=[PROTOCOL], max_message_size=64 * 1024 * 1024
        )
        if self._socket.selected_subprotocol != PROTOCOL:
            msg = f"the server chose {self._socket.selected_subprotocol!r}, not {PROTOCOL!r}"
            raise BenchError(msg)
        if self._socket.protocol is not None:
            self._socket.protocol.set_nodelay(True)  # as browsers do

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self._token}"}

    async def _request(self, path: str, **options: Any) -> bytes:
        url = f"http://{self._address}/{path}"
        reply = await AsyncHTTPClient().fetch(url, headers=self._headers, **options)
        return bytes(reply.body)

    async def _wait_until_up(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                await self._request("api/status")
            except (HTTPClientError, OSError) as error:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    msg = f"no server: {error}: {self.log.read_text(errors='replace')[-800:]}"
                    raise BenchError(msg) from error
                await asyncio.sleep(0.1)
            else:
                return

    async def run(self, code: str) -> float:
        """Run a cell as JupyterLab does, and say how long until both reply and idle came, in ms."""
        assert self._socket is not None
        msg_id = uuid.uuid4().hex
        started = time.perf_counter()
        await self._socket.write_message(_execute_request(msg_id, self._session, code), binary=True)
        pending = {"execute_reply", "idle"}
        while pending:
            message = await asyncio.wait_for(self._socket.read_message(), START_TIMEOUT_S)
            if not isinstance(message, bytes):
                msg = f"{self.kernel}: the websocket closed or spoke text: {message!r}"
                raise BenchError(msg)
            kind, parent, content = _decode(message)
            if parent != msg_id:
                continue
            if kind == "execute_reply":
                pending.discard(kind)
                if json.loads(content)["status"] != "ok":
                    msg = f"{self.kernel}: {content[:200]!r}"
                    raise BenchError(msg)
            elif kind == "status" and json.loads(content)["execution_state"] == "idle":
                pending.discard("idle")
        return (time.perf_counter() - started) * 1000


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _execute_request(msg_id: str, session: str, code: str) -> bytes:
    header = {
        "msg_id": msg_id,
        "msg_type": "execute_request",
        "username": "",
        "session": session,
        "date": "2026-01-01T00:00:00.000Z",
        "version": "5.2",
    }
    content = {
        "code": code,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": True,
        "stop_on_error": True,
    }
    parts = [b"shell", *(json.dumps(part).encode() for part in (header, {}, {}, content))]
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(parts)


def _decode(message: bytes) -> tuple[str, str, bytes]:
    (count,) = struct.unpack_from("<Q", message)
    offsets = struct.unpack_from(f"<{count}Q", message, 8)
    header, parent, content = (message[offsets[i] : offsets[i + 1]] for i in (1, 2, 4))
    return json.loads(header)["msg_type"], json.loads(parent).get("msg_id", ""), content


def measure(bench: Bench) -> Section:
    """Run `1+1` through both servers, in blocks that take turns."""
    return asyncio.run(_measure(bench))


async def _measure(bench: Bench) -> Section:
    blocks = bench.times(200, 50) // BLOCK_CELLS
    took: dict[str, list[float]] = {STOCK: [], OURS: []}
    async with (
        Server(bench.home, STOCK, extended=False) as stock,
        Server(bench.home, OURS, extended=True) as ours,
    ):
        servers = {STOCK: stock, OURS: ours}
        for server in servers.values():
            for _ in range(BLOCK_CELLS):
                await server.run("1+1")
        for block in range(blocks):
            for name in BOTH if block % 2 else reversed(BOTH):
                took[name] += [await servers[name].run("1+1") for _ in range(BLOCK_CELLS)]
    return Section(
        "Websocket",
        [
            compare(
                "a cell through the Jupyter Server's websocket, p50",
                took[STOCK],
                took[OURS],
                must=0.5,
                aim=0.3,
            )
        ],
        how=f"{blocks * BLOCK_CELLS} cells each, in blocks of {BLOCK_CELLS} that take turns; stock "
        "is a stock kernel on a Jupyter Server without our extension, ours our kernel on one with "
        f"it; until reply and `idle` have come; protocol `{PROTOCOL}`",
    )
