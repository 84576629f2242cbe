"""Find math macros that do more than typeset.

JupyterLab typesets math in text/latex, text/html, text/markdown and widget labels, nbconvert's
pages do it with an older MathJax that has no safe mode. ``\\href`` and its like make live links
and inline styles there; the file and catcode primitives act when the notebook is exported to PDF.
"""

from __future__ import annotations

import re

__all__ = ["defuse_math", "has_active_math"]

# MathJax substitutes macro arguments with a space between (\hr#1 never becomes \href), has no
# \csname, and reads a name up to the first non-letter: so the literal name must be in the text.
_NAMES = (
    "href|url|nolinkurl|hyperref|html[A-Za-z]*+|style|class|cssId|data|require|includegraphics"
    "|includesvg|unicode|bbox|mmlToken|texttip|mathtip|toggle|img|javascript"
    "|input|include|openin|openout|read|write|immediate|catcode|csname|special|usepackage"
    "|documentclass|directlua|everyjob|everypar|loop|lstinputlisting|verbatiminput|scantokens"
)
_ACTIVE = re.compile(
    rf"\\\s*+(?=(?:{_NAMES})(?![A-Za-z]))|\\begin\s*+\{{\s*+tex-html|\^\^", re.ASCII
)
_MACRO = re.compile(rf"\\(\s*+(?:{_NAMES})(?![A-Za-z]))", re.ASCII)


def has_active_math(text: str) -> bool:
    """Tell whether `text` holds a macro that links, styles, loads or reads files."""
    return ("\\" in text or "^^" in text) and _ACTIVE.search(text) is not None


def defuse_math(text: str) -> str:
    """Return `text` with a zero-width space inside of every active macro, which MathJax refuses."""
    return _MACRO.sub("\\\\\u200b\\1", text) if "\\" in text else text
