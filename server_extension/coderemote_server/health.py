"""``GET coderemote/api/health``: is the extension there, and which one is it."""

from __future__ import annotations

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado import web

from . import __version__

__all__ = ["HealthHandler"]


class HealthHandler(ExtensionHandlerMixin, APIHandler):
    """Answer that the extension is up."""

    auth_resource = "coderemote:health"
    # A page or a probe that polls must not keep an idle server alive under a Hub's culler.
    _track_activity = False

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer ``{"status": "ok", "version": ...}``."""
        self.finish({"status": "ok", "version": __version__})
