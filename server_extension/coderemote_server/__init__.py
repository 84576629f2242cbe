"""The Jupyter Server extension of coderemote.

Installed and enabled with the wheel; see :class:`coderemote_server.app.CodeRemote`.
"""

from __future__ import annotations

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("coderemote")


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    # Imported here: a build tool asks this package for its lab extension without wanting a server.
    from .app import CodeRemote

    return [{"module": "coderemote_server", "app": CodeRemote}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "../../labextension/dist", "dest": "coderemote"}]
