"""The reference of all settings, written from the traits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from coderemote_kernel.config.kernel import CodeRemoteKernel
from coderemote_kernel.config.traits import Size, size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from traitlets import TraitType

_QUOTED = re.compile(r"(?<!\w)'([^\s']+)'(?!\w)")

__all__ = ["markdown"]

_HEAD = """\
# Settings of the kernel

<!-- Written by `python -m coderemote_kernel.config --markdown`; change the help texts in
coderemote_kernel/config/kernel.py instead. -->

Put settings into `coderemote_kernel_config.py`, in any directory that `jupyter --paths` lists under
"config":

```python
c = get_config()
c.CodeRemoteKernel.cell_timeout_s = 60
c.CodeRemoteKernel.memory_bytes = "512M"
```

or into `coderemote_kernel_config.json` beside it, which wins over the former:

```json
{ "CodeRemoteKernel": { "cell_timeout_s": 60 } }
```

or into the `argv` of the kernel's `kernel.json`, which wins over both:
`--CodeRemoteKernel.cell_timeout_s=60`. An option that takes a list or a dictionary may be given
more than once. `--config=FILE` reads that file instead of those found. A setting that does not
exist, or does not take its value, stops the kernel with a line that says so.

Sizes are bytes, or text such as `"512M"` or `"1GiB"`; K, M, G and T are powers of 1024. `%limits`
in a notebook shows what is in force and how it is enforced.
"""


def markdown() -> str:
    """Return the reference as Markdown, a table for each group of settings."""
    parts = [_HEAD]
    group = ""
    for name, trait in _in_order():
        if trait.metadata["group"] != group:
            group = trait.metadata["group"]
            parts.append(
                f"\n## {group}\n\n| Setting | Default | Takes | Meaning |\n|---|---|---|---|\n"
            )
        cells = (f"`{name}`", f"`{_default(trait)}`", _takes(trait), _text(str(trait.help)))
        parts.append(f"| {' | '.join(cells)} |\n")
    return "".join(parts)


def _in_order() -> Iterator[tuple[str, TraitType[Any, Any]]]:
    """Give the traits as the class body has them; traitlets would sort them by name."""
    traits = CodeRemoteKernel.class_traits(config=True)
    return ((name, traits[name]) for name in vars(CodeRemoteKernel) if name in traits)


def _default(trait: TraitType[Any, Any]) -> str:
    value = trait.default_value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return repr(list(value) if isinstance(value, tuple) else value)
    if isinstance(value, float):
        return f"{value:g}"
    return size_text(value) if isinstance(trait, Size) else f"{value:,}"


def _takes(trait: TraitType[Any, Any]) -> str:
    return _text(trait.info())


def _text(text: str) -> str:
    return _QUOTED.sub(r"`\1`", text.replace("|", "\\|"))
