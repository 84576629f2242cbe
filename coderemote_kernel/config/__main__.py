"""Print the reference of all settings: ``python -m coderemote_kernel.config --markdown``."""

from __future__ import annotations

import argparse
import sys

from coderemote_kernel.config.reference import markdown


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m coderemote_kernel.config")
    parser.add_argument("--markdown", action="store_true", required=True, help="as Markdown")
    parser.parse_args()
    sys.stdout.write(markdown())


if __name__ == "__main__":
    main()
