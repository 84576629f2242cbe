"""The only code of ours that runs inside the jail; it imports nothing else of ours.

The folder is mounted read-only at ``/coderemote`` and run as scripts:

``init.py``
    PID 1 of the jail: starts the worker, reaps, obeys the leash, says how the worker ended.
``kernel.py``
    The worker: a stock ipykernel whose sockets are bridged to the wall.
``frames.py``
    The framing both sides of the wall speak.
``landlock.py``
    File access rules for the tier that has no namespaces.
"""

from __future__ import annotations

__all__: list[str] = []
