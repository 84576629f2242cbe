"""Kernel websockets that do not wait for Nagle's algorithm.

A cell makes the server send several small frames: busy, the output, the reply, idle. Jupyter
Server leaves Nagle's algorithm on, so each frame after the first waits until the browser has
acknowledged the one before, and the browser delays that acknowledgement by about 40 ms.
``TCP_NODELAY`` on the server's side of the socket takes the wait away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp
    from jupyter_server.services.kernels.connection.base import BaseKernelWebsocketConnection

__all__ = ["SETTING", "NoDelayMixin", "NoDelayWebsocketConnection", "choose_connection_class"]

# Both the trait of ServerApp and the key in its web application's settings.
SETTING = "kernel_websocket_connection_class"


class NoDelayMixin:
    """Set ``TCP_NODELAY`` when the websocket connects to its kernel.

    A site with a connection class of its own puts this first among the bases::

        class OurConnection(NoDelayMixin, TheirConnection): ...
    """

    websocket_handler: Any

    def connect(self) -> Any:  # noqa: ANN401 - what the class behind returns; they differ
        """Switch Nagle's algorithm off, then connect."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()  # type: ignore[misc]


class NoDelayWebsocketConnection(NoDelayMixin, ZMQChannelsWebsocketConnection):
    """Jupyter Server's own kernel websocket connection, with ``TCP_NODELAY``."""


def choose_connection_class(
    serverapp: ServerApp,
) -> type[BaseKernelWebsocketConnection]:
    """Choose the class that connects websockets to kernels.

    A class that somebody chose is left alone, the stock one named in the configuration included.

    Parameters
    ----------
    serverapp
        The server that is loading the extension; its configuration has been read by now.

    Returns
    -------
    type
        :class:`NoDelayWebsocketConnection`, or what the site configured.
    """
    current: type[BaseKernelWebsocketConnection] = serverapp.kernel_websocket_connection_class
    if issubclass(current, NoDelayMixin):
        return current
    if SETTING in serverapp.config.ServerApp or current is not ZMQChannelsWebsocketConnection:
        serverapp.log.info(
            "coderemote: ServerApp.%s is %s, so it stays, with about 40 ms of delay a cell; to be "
            "rid of that, derive a class from coderemote_server.nodelay.NoDelayMixin and it.",
            SETTING,
            f"{current.__module__}.{current.__qualname__}",
        )
        return current
    return NoDelayWebsocketConnection
