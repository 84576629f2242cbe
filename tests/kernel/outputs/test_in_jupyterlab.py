"""The corpus in a trusted notebook, opened in the real JupyterLab."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from coderemote_kernel.outputs import OutputPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# A long notebook would only render what is in view.
OVERRIDES = {
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none", "maxNumberOutputs": 50},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}


@pytest.fixture
def lab(tmp_path: Path, jupyter_dirs: Path) -> Iterator[tuple[str, Path]]:
    folder, settings = tmp_path / "work", tmp_path / "settings"
    folder.mkdir()
    settings.mkdir()
    (settings / "overrides.json").write_text(json.dumps(OVERRIDES))
    info = jupyter_dirs / "jupyter-runtime"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"]
    command += [
        "--ServerApp.ip=127.0.0.1",
        "--IdentityProvider.token=t",
        f"--notebook-dir={folder}",
    ]
    command += [f"--LabApp.app_settings_dir={settings}", "--LabApp.news_url=None"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ))
    try:
        yield f"http://127.0.0.1:{port_of(server, info)}", folder
    finally:
        server.terminate()
        server.wait(30)


def port_of(server: subprocess.Popen[bytes], info: Path) -> int:
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        assert server.poll() is None
        for file in info.glob(f"jpserver-{server.pid}.json"):
            try:
                port = int(json.loads(file.read_text())["port"])
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token=t", timeout=5):
                    return port
            except (OSError, ValueError, KeyError):
                pass
        time.sleep(0.1)
    raise TimeoutError


def payloads(corpus: Any, host: str) -> list[tuple[str, str]]:
    templates = [
        (mime, template)
        for mime, group in [
            *(("text/html", part) for part in corpus["HTML"].values()),
            ("text/html", corpus["HTML_MATH"]),
            ("text/html", corpus["LINKS"]),
            ("image/svg+xml", corpus["SVG"]),
            ("text/markdown", corpus["MARKDOWN"]),
            ("text/latex", corpus["LATEX"]),
        ]
        for template in group
        if "http-equiv" not in template and "<plaintext" not in template
    ]
    url = f"http://{host}/leak"
    return [
        (
            mime,
            text.replace("PWN", f"pwn({number})")
            .replace("URL", f"{url}/{number}")
            .replace("HOST", host)
            .replace("ID", str(number)),
        )
        for number, (mime, text) in enumerate(templates)
    ]


@pytest.mark.parametrize("filtered", [False, True], ids=["unfiltered", "filtered"])
def test_a_trusted_notebook_of_the_corpus(
    filtered: bool, lab: tuple[str, Path], chromium: Any, listener: Any, corpus: Any
) -> None:
    base, folder = lab
    policy = OutputPolicy(trusted=not filtered)
    cells = []
    for mime, text in payloads(corpus, listener.host):
        data = dict(policy.bundle({mime: text, "text/plain": "plain"}, {}).data)
        output = new_output("display_data", data=data)
        cells.append(new_code_cell("1", outputs=[output]))
    benign = new_output("display_data", data={"text/latex": "$x^2$", "text/plain": "x"})
    cells.append(new_code_cell("1", outputs=[benign]))
    notebook = folder / "corpus.ipynb"
    nbformat.write(new_notebook(cells=cells), notebook)
    subprocess.run(
        [sys.executable, "-m", "jupyter", "trust", notebook], check=True, stdout=subprocess.DEVNULL
    )
    listener.asked.clear()
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    context.add_init_script("window.fired = []; window.pwn = id => window.fired.push(id);")
    page = context.new_page()
    page.on("dialog", lambda dialog: dialog.dismiss())
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url))
    page.goto(f"{base}/lab/tree/corpus.ipynb?token=t")
    count = "() => document.querySelectorAll('.jp-OutputArea-child').length"
    page.wait_for_function(f"({count})() >= {len(cells)}", timeout=60_000)
    if filtered:
        # The last cell's formula: typesetting has loaded and has come to the end.
        page.wait_for_selector("mjx-container, .MathJax", timeout=60_000, state="attached")
    else:
        page.wait_for_function("() => window.fired.length > 40", timeout=60_000)
    fired = page.evaluate("() => window.fired")
    outside = [url for url in elsewhere if not url.startswith((base, "data:", "blob:"))]
    leads = page.evaluate(
        # Plain text is linked by JupyterLab itself, so only what came as markup counts.
        "() => [...document.querySelectorAll"
        "('.jp-OutputArea :not(.jp-RenderedText pre) > a[href]')]"
        ".map(a => a.protocol || '').filter(Boolean)"
    )
    styles = page.evaluate("() => document.querySelectorAll('.jp-OutputArea [style*=url]').length")
    context.close()
    if filtered:
        assert fired == []
        assert [path for path in listener.asked if path.startswith("/leak")] == []
        assert outside == []
        assert set(leads) <= {"http:", "https:", "mailto:"}
        assert styles == 0
    else:
        assert len(set(fired)) > 40
        assert any(path.startswith("/leak") for path in listener.asked)
