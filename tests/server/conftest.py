"""A Jupyter Server in the test's own event loop.

pytest-jupyter's fixtures are taken by name, without its hooks: those run coroutine tests in a loop
of their own, and here pytest-asyncio does that.
"""

from __future__ import annotations

import asyncio

import pytest
from pytest_jupyter.jupyter_core import (  # noqa: F401
    echo_kernel_spec,
    jp_config_dir,
    jp_data_dir,
    jp_env_config_path,
    jp_env_jupyter_path,
    jp_environ,
    jp_home_dir,
    jp_kernel_dir,
    jp_runtime_dir,
    jp_system_config_path,
    jp_system_jupyter_path,
)
from pytest_jupyter.jupyter_server import (  # noqa: F401
    http_server,
    http_server_client,
    http_server_port,
    jp_auth_header,
    jp_base_url,
    jp_configurable_serverapp,
    jp_fetch,
    jp_http_port,
    jp_logging_stream,
    jp_nbconvert_templates,
    jp_root_dir,
    jp_server_cleanup,
    jp_serverapp,
    jp_web_app,
    jp_ws_fetch,
)
from traitlets.config import Config


@pytest.fixture
async def jp_asyncio_loop():
    return asyncio.get_running_loop()


@pytest.fixture
def jp_argv():
    return []


@pytest.fixture
def connection_class():
    """The kernel websocket class that the site chose (none); tests override it."""


@pytest.fixture
def jp_server_config(connection_class):
    config = Config(
        {
            "ServerApp": {
                "jpserver_extensions": {
                    "coderemote_server": True,
                    # The fixtures would switch it on, and it warns about a deprecation of its own.
                    "jupyter_server_terminals": False,
                },
                "reraise_server_extension_failures": True,
                "allow_unauthenticated_access": False,
            }
        }
    )
    if connection_class is not None:
        config.ServerApp.kernel_websocket_connection_class = connection_class
    return config
