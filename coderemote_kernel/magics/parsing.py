"""Read the arguments of a magic with argparse's grammar and none of its manners.

argparse prints to the process's own streams and exits; a kernel must do neither. Import this module
where a magic is called, not before: argparse costs milliseconds that a kernel start need not pay.
"""

from __future__ import annotations

import argparse
import shlex
from typing import NoReturn

from coderemote_kernel.magics.model import HelpAsked, UsageError

__all__ = ["MagicParser", "arguments_of", "make_parser"]


class MagicParser(argparse.ArgumentParser):
    """A parser that raises `UsageError` and `HelpAsked` where argparse would print and exit.

    Sub-parsers are made of the same class, so they keep the same manners.
    """

    # Set by Python 3.14's argparse; older ones take no notice of it.
    color: bool

    def error(self, message: str) -> NoReturn:
        """Raise the complaint as one line."""
        msg = f"{self.prog}: {' '.join(message.split())}. Try {self.prog.split()[0]} --help."
        raise UsageError(msg)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Raise instead of leaving the process."""
        msg = (message or f"{self.prog} stopped with status {status}.").strip()
        raise UsageError(msg)

    def print_help(self, file: object = None) -> NoReturn:
        """Raise the help text for the registry to show."""
        del file
        raise HelpAsked(self.format_help().rstrip())


def make_parser(name: str, description: str, epilog: str = "") -> MagicParser:
    """Return a parser for ``%name``; texts keep their line ends."""
    parser = MagicParser(
        prog=f"%{name}",
        description=description,
        epilog=epilog,
        allow_abbrev=False,
        add_help=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # Python 3.14 colours help by the relay's own terminal; the reader is a notebook.
    parser.color = False
    parser.add_argument("-h", "--help", action="help", help="show this text")
    return parser


def arguments_of(parser: argparse.ArgumentParser, line: str) -> argparse.Namespace:
    """Parse what stands behind the magic's name.

    Raises
    ------
    UsageError
        If a quote is left open or the arguments do not fit the parser.
    HelpAsked
        If ``--help`` or ``-h`` is among them.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        msg = f"{parser.prog}: {str(error).lower()} in {line!r}."
        raise UsageError(msg) from None
    return parser.parse_args(words)
