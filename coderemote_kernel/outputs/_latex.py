r"""Find math macros that do more than typeset.

JupyterLab typesets math in text/latex, text/html, text/markdown and widget labels, nbconvert's
pages do it with an older MathJax that has no safe mode. ``\href`` and its like make live links
and inline styles there; the file and catcode primitives act when the notebook is exported to PDF.
"""

from __future__ import annotations

import re

__all__ = ["defuse_math", "has_active_math", "typesets_active_math"]

# MathJax substitutes macro arguments with a space between (\hr#1 never becomes \href), has no
# \csname, and reads a name up to the first non-letter: so the literal name must be in the text.
_IN_A_PAGE = (
    "href|url|nolinkurl|hyperref|html[A-Za-z]*+|style|class|cssId|data|require|includegraphics"
    "|includesvg|unicode|bbox|mmlToken|texttip|mathtip|toggle|img|javascript"
)
_IN_AN_EXPORT = (
    "input|include|openin|openout|read|write|immediate|catcode|csname|special|usepackage"
    "|documentclass|directlua|everyjob|everypar|loop|lstinputlisting|verbatiminput|scantokens"
)
_TEX_HTML = r"\\begin\s*+\{\s*+tex-html"
_ACTIVE = re.compile(
    rf"\\\s*+(?=(?:{_IN_A_PAGE}|{_IN_AN_EXPORT})(?![A-Za-z]))|{_TEX_HTML}|\^\^", re.ASCII
)
_ACTIVE_IN_A_PAGE = re.compile(rf"\\\s*+(?=(?:{_IN_A_PAGE})(?![A-Za-z]))|{_TEX_HTML}", re.ASCII)
_MATH = re.compile(r"\$|\\[(\[]|\\begin")
_MACRO = re.compile(
    rf"\\(?=\s*+(?:(?:{_IN_A_PAGE})(?![A-Za-z])|begin\s*+\{{\s*+tex-html))", re.ASCII
)


def has_active_math(latex: str) -> bool:
    """Tell whether LaTeX holds a macro that links, styles, loads or reads files."""
    return ("\\" in latex or "^^" in latex) and _ACTIVE.search(latex) is not None


def typesets_active_math(text: str) -> bool:
    r"""Tell whether a page would typeset an active macro from `text`.

    Only what stands within math is typeset: a table of paths like ``C:\data`` has none.
    """
    return "\\" in text and bool(_MATH.search(text)) and bool(_ACTIVE_IN_A_PAGE.search(text))


def defuse_math(text: str) -> str:
    """Return `text` with a zero-width space inside of every active macro, which MathJax refuses."""
    return _MACRO.sub("\\\\\u200b", text) if typesets_active_math(text) else text
