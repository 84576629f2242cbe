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

    def get_content_type(self) -> str:
        """Name the type Jupyter Server gives its own description."""
        return "text/x-yaml"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer the description in YAML."""
        self.finish(files("coderemote_server").joinpath("openapi.yaml").read_text("utf-8"))
