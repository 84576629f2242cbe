"""Kernel websockets that do not wait for Nagle's algorithm.

A cell makes the server send several small frames: busy, the output, the reply, idle. Jupyter Server leaves Nagle's
algorithm on, so each frame after the first waits until the browser has acknowledged the one before, and the browser
delays that acknowledgement by about 40 ms. ``TCP_NODELAY`` on the server's side of the socket takes the wait away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

__all__ = ["NoDelayMixin", "NoDelayWebsocketConnection", "install_nodelay"]

SETTING = "kernel_websocket_connection_class"


class NoDelayMixin:
    """Set ``TCP_NODELAY`` when the websocket connects to its kernel.

    A site with a connection class of its own puts this first among the bases::

        class OurConnection(NoDelayMixin, TheirConnection): ...
    """

    websocket_handler: Any

    async def connect(self) -> Any:
        """Switch Nagle's algorithm off, then connect."""
        self.websocket_handler.set_nodelay(True)
        return await super().connect()  # type: ignore[misc]


class NoDelayWebsocketConnection(NoDelayMixin, ZMQChannelsWebsocketConnection):
    """Jupyter Server's own kernel websocket connection, with ``TCP_NODELAY``."""


def install_nodelay(serverapp: ServerApp) -> bool:
    """Make the server connect kernels by :class:`NoDelayWebsocketConnection`.

    A class that somebody chose is left alone, the stock one named in the configuration included.

    Parameters
    ----------
    serverapp
        The server that is loading the extension. Its configuration has been read by now, and its
        handlers look the class up in the web application's settings at every new websocket.

    Returns
    -------
    bool
        Whether kernel websockets are without delay from now on.
    """
    current: type = serverapp.kernel_websocket_connection_class
    if issubclass(current, NoDelayMixin):
        return True
    if SETTING in serverapp.config.ServerApp or current is not ZMQChannelsWebsocketConnection:
        serverapp.log.info(
            "coderemote: ServerApp.%s is %s, so it stays, with about 40 ms of delay a cell; to be "
            "rid of that, derive a class from coderemote_server.nodelay.NoDelayMixin and it.",
            SETTING,
            f"{current.__module__}.{current.__qualname__}",
        )
        return False
    # The trait too, not only the setting: at shutdown the server asks the trait's class to close its sockets.
    serverapp.kernel_websocket_connection_class = NoDelayWebsocketConnection
    serverapp.web_app.settings[SETTING] = NoDelayWebsocketConnection
    return True
