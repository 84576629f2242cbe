"""The extension application: configuration and wiring, no logic."""

from __future__ import annotations

from jupyter_server.extension.application import ExtensionApp

from . import __version__
from .health import HealthHandler
from .nodelay import SETTING, choose_connection_class
from .spec import SpecHandler

__all__ = ["ROUTES", "CodeRemote"]

ROUTES = [
    (r"/coderemote/api/health", HealthHandler),
    (r"/coderemote/api/spec", SpecHandler),
]


class CodeRemote(ExtensionApp):
    """coderemote's part of a Jupyter Server; configured in the section ``c.CodeRemote``."""

    name = "coderemote"
    description = "The server side of coderemote: REST API and quick kernel websockets."
    version = __version__
    load_other_extensions = True

    def initialize_handlers(self) -> None:
        """Add the routes of the API; each is described in ``openapi.yaml``."""
        self.handlers.extend(ROUTES)

    def initialize_settings(self) -> None:
        """Put what the handlers share in place; called once, before the routes are added."""
        self.set_connection_class()
        self.stop_name_prefetch()

    def stop_name_prefetch(self) -> None:
        """Keep browsers from looking up the hosts of links before anybody clicks them.

        A jail without a network could otherwise speak through the names of hosts: Lab makes links
        of the addresses in plain text. A header that the site sets itself stays as it is.
        """
        if self.serverapp is None:
            return
        configured = self.serverapp.web_app.settings.get("headers", {})
        self.settings["headers"] = {"X-DNS-Prefetch-Control": "off", **configured}

    def set_connection_class(self) -> None:
        """Have kernel websockets connect without delay, unless the site chose otherwise."""
        if self.serverapp is None:
            return
        chosen = choose_connection_class(self.serverapp)
        # The setting is what the handler looks up for each new websocket. It goes into our own
        # settings: they started as a copy of the web application's, and overwrite those later.
        self.settings[SETTING] = chosen
        # The trait is what the server asks to close its sockets at shutdown.
        self.serverapp.kernel_websocket_connection_class = chosen
