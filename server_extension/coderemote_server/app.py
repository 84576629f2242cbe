"""The extension application: configuration and wiring, no logic."""

from __future__ import annotations

from typing import ClassVar

from jupyter_server.extension.application import ExtensionApp

from . import __version__
from .health import HealthHandler
from .nodelay import install_nodelay
from .spec import SpecHandler

__all__ = ["CodeRemote"]


class CodeRemote(ExtensionApp):
    """coderemote's part of a Jupyter Server; configured in the section ``c.CodeRemote``."""

    name = "coderemote"
    description = "The server side of coderemote: REST API and quick kernel websockets."
    version = __version__
    load_other_extensions = True

    handlers: ClassVar[list[tuple[str, type]]] = [
        (r"/coderemote/api/health", HealthHandler),
        (r"/coderemote/api/spec", SpecHandler),
    ]

    def initialize_settings(self) -> None:
        """Put what the handlers share in place; called once, before the routes are added."""
        if self.serverapp is not None:
            install_nodelay(self.serverapp)
