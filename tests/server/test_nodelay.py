from __future__ import annotations

import json
import logging
import socket

import pytest
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

from coderemote_server.nodelay import (
    SETTING,
    NoDelayMixin,
    NoDelayWebsocketConnection,
    choose_connection_class,
)


class SiteConnection(ZMQChannelsWebsocketConnection):
    """What a site might have written."""


class QuickSiteConnection(NoDelayMixin, SiteConnection):
    """The same site, after it read our line in the log."""


@pytest.fixture
async def kernel_websocket(jp_fetch, jp_ws_fetch):
    """A real kernel of the stock kind, and a websocket to it."""
    started = await jp_fetch("api", "kernels", method="POST", body=json.dumps({"name": "python3"}))
    kernel_id = json.loads(started.body)["id"]
    websocket = await jp_ws_fetch("api", "kernels", kernel_id, "channels")
    yield websocket
    websocket.close()
    while await websocket.read_message() is not None:  # None: the closing handshake is through
        pass
    await jp_fetch("api", "kernels", kernel_id, method="DELETE")


async def server_side(websocket):
    """The server's connection object for the only websocket, once it is connected to its kernel."""
    request = {
        "header": {
            "msg_id": "1",
            "msg_type": "kernel_info_request",
            "username": "",
            "session": "s",
            "date": "2026-01-01T00:00:00Z",
            "version": "5.3",
        },
        "parent_header": {},
        "metadata": {},
        "content": {},
        "channel": "shell",
    }
    await websocket.write_message(json.dumps(request))
    while json.loads(await websocket.read_message())["msg_type"] != "kernel_info_reply":
        pass
    (connection,) = ZMQChannelsWebsocketConnection._open_sockets
    return connection


def nodelay(connection):
    stream = connection.websocket_handler.ws_connection.stream
    return stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.slow
async def test_a_kernel_websocket_is_without_delay_and_nobody_configured_that(kernel_websocket):
    connection = await server_side(kernel_websocket)

    assert type(connection) is NoDelayWebsocketConnection
    assert nodelay(connection) != 0


def test_the_server_closes_its_sockets_by_the_same_class(jp_serverapp):
    assert jp_serverapp.kernel_websocket_connection_class is NoDelayWebsocketConnection
    assert jp_serverapp.web_app.settings[SETTING] is NoDelayWebsocketConnection


@pytest.mark.parametrize("connection_class", [SiteConnection, ZMQChannelsWebsocketConnection])
def test_a_class_that_the_site_chose_stays_and_the_log_says_how_to_combine(
    connection_class, jp_serverapp, caplog
):
    assert jp_serverapp.web_app.settings[SETTING] is connection_class

    with caplog.at_level(logging.INFO):
        choose_connection_class(jp_serverapp)
    (line,) = caplog.messages
    assert connection_class.__name__ in line
    assert "coderemote_server.nodelay.NoDelayMixin" in line


@pytest.mark.parametrize("connection_class", [QuickSiteConnection])
def test_a_site_class_with_the_mixin_needs_no_word_in_the_log(
    connection_class, jp_serverapp, caplog
):
    with caplog.at_level(logging.INFO):
        assert choose_connection_class(jp_serverapp) is connection_class
    assert caplog.messages == []


@pytest.mark.slow
@pytest.mark.parametrize("connection_class", [QuickSiteConnection])
async def test_a_site_class_with_the_mixin_is_without_delay(kernel_websocket, connection_class):
    connection = await server_side(kernel_websocket)

    assert type(connection) is connection_class
    assert nodelay(connection) != 0
