#!/usr/bin/env python3
"""Take the pictures of the documentation: JupyterLab with the tour, as the browser tests drive it.

Usage: .venv/bin/python scripts/screenshots.py [FOLDER]     (default: docs/images)
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[1]
LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"
LARGEST_BYTES = 300_000
# A reader should not wonder whose computer this was.
SHOW_A_HOME = """prefix => {
  const walker = document.createTreeWalker(
    document.querySelector('.jp-Notebook'), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    walker.currentNode.data = walker.currentNode.data.replaceAll(prefix, '~/course/.venv');
  }
}"""


def load(path: Path) -> ModuleType:
    """Import a file of the tests, which are no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def main() -> int:
    """Take every picture; return 1 if one is too large for a page."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    lab = load(ROOT / "tests" / "browser" / "conftest.py")
    tours = load(ROOT / "tests" / "browser" / "test_tour.py")
    chromium = subprocess.run(
        [ROOT / "scripts" / "browser"], capture_output=True, text=True, check=True
    ).stdout.strip()
    with (
        tempfile.TemporaryDirectory() as base,
        lab.running_lab(Path(base)) as server,
        lab.running_chromium(chromium) as browser,
    ):
        context = browser.new_context(viewport={"width": 1180, "height": 980})
        tour = tours.Tour(lab.open_in(context, server, "tour.ipynb"), server.folder)
        take_all(tour, folder)
    large = [path for path in folder.glob("*.png") if path.stat().st_size > LARGEST_BYTES]
    for path in large:
        print(f"{path.name} is too large: {path.stat().st_size} bytes", file=sys.stderr)
    return 1 if large else 0


def take_all(tour: Any, folder: Path) -> None:  # noqa: ANN401 - a class of the tests
    """Take the tour, and a picture of each part of it."""
    tour.run_to_the_question()
    take(tour, folder, "tour-light", "plot", LIGHT)
    take(tour, folder, "tour-dark", "plot", DARK)
    tour.notebook.command("application:toggle-left-area")
    take(tour, folder, "question", "slider", LIGHT)
    tour.answer_and_run_on()
    tour.notebook.page.evaluate(SHOW_A_HOME, sys.prefix)
    take(tour, folder, "limits", "limits", LIGHT)
    take(tour, folder, "stopped", "interrupt", LIGHT)
    take(tour, folder, "attacks", "attack-files", LIGHT)
    take(tour, folder, "held-back", "attack-script", LIGHT)
    take(tour, folder, "sandbox", "sandbox", LIGHT)


def take(
    tour: Any,  # noqa: ANN401 - a class of the tests
    folder: Path,
    name: str,
    cell_id: str,
    theme: str,
) -> None:
    """Scroll a cell, and the text above it, to the top of the notebook, and take the picture."""
    notebook, page = tour.notebook, tour.notebook.page
    page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
    notebook.wait("theme => document.body.dataset.jpThemeName === theme", theme)
    page.locator("#jupyterlab-splash").wait_for(state="detached")
    notebook.cell(tour.number(cell_id)).evaluate("""cell => {
      const before = cell.previousElementSibling;
      (before?.classList.contains('jp-MarkdownCell') ? before : cell).scrollIntoView();
    }""")
    page.mouse.move(0, 0)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 200)))")
    page.screenshot(path=folder / f"{name}.png")


if __name__ == "__main__":
    sys.exit(main())
