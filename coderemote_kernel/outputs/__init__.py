"""The browser wall: nothing active out of the jail reaches the notebook page.

JupyterLab, Notebook and nbconvert show a kernel's outputs as trusted: scripts in them run with the
user's token, and an ``<img src>`` in them is a network connection for a jail that has none.
`OutputPolicy` stands between: what is provably inert passes byte for byte, the rest is cleaned or
held back with a reason.
"""

from __future__ import annotations

from coderemote_kernel.outputs._held import FilteredBundle, Held
from coderemote_kernel.outputs._policy import ISOLATED_MIME, OutputPolicy

__all__ = ["ISOLATED_MIME", "FilteredBundle", "Held", "OutputPolicy"]
