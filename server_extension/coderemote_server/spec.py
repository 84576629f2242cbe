"""``GET coderemote/api/spec``: the OpenAPI description of this API."""

from __future__ import annotations

from importlib.resources import files

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado import web

__all__ = ["SpecHandler"]


class SpecHandler(ExtensionHandlerMixin, APIHandler):
    """Serve ``openapi.yaml`` as it is shipped."""

    auth_resource = "coderemote:spec"
    _track_activity = False

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer the description in YAML."""
        description = files("coderemote_server").joinpath("openapi.yaml").read_bytes()
        self.finish(description, set_content_type="text/x-yaml")
