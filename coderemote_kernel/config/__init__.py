"""Settings from files and the command line.

A configuration file is ``coderemote_kernel_config.py`` or ``.json`` in a directory that
``jupyter --paths`` lists under "config"::

    c = get_config()
    c.CodeRemoteKernel.cell_timeout_s = 60
    c.CodeRemoteKernel.memory_bytes = "512M"

Import this only when `coderemote_kernel.settings.needs_loading` says so: traitlets takes a good
part of a kernel's start. ``python -m coderemote_kernel.config --markdown`` prints the reference.
"""

from __future__ import annotations

from coderemote_kernel.config.kernel import CodeRemoteKernel
from coderemote_kernel.config.loading import load, read, settings_from

__all__ = ["CodeRemoteKernel", "load", "read", "settings_from"]
