"""A Chromium, and a page on the loopback that plays the notebook."""

from __future__ import annotations

import runpy
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coderemote_kernel.outputs import OutputPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
PAGE = """<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>page</title>
<style>body{margin:0;background:white}#outside{height:200px}.host{overflow:auto;width:600px}</style>
<div id=outside>the page</div><div id=hosts></div>
<script>
window.fired = [];
window.pwn = id => window.fired.push(id);
window.alert = window.confirm = window.prompt = () => window.fired.push('dialog');
// As JupyterLab shows trusted HTML: innerHTML, then every script element made anew.
window.render = (html, drawing) => {
  const host = document.createElement('div');
  host.className = 'host';
  document.getElementById('hosts').append(host);
  host.innerHTML = html;
  for (const script of Array.from(host.getElementsByTagName('script'))) {
    const clone = document.createElement('script');
    for (const { name, value } of script.attributes) clone.setAttribute(name, value);
    clone.textContent = script.textContent;
    script.parentNode.replaceChild(clone, script);
  }
  if (drawing) {
    const image = new Image();
    image.src = 'data:image/svg+xml,' + encodeURIComponent(html);
    host.append(image);
    const parsed = new DOMParser().parseFromString(html, 'image/svg+xml').documentElement;
    host.append(document.importNode(parsed, true));
  }
  return host;
};
// Where a click on anything inside of the host could lead, beside the web.
window.leads = host => [...host.querySelectorAll('*')].filter(e =>
    e.hasAttribute('data-commandlinker-command') || e.hasAttribute('ping') ||
    e.hasAttribute('formaction') || e.hasAttribute('action') || e.hasAttribute('download') ||
    e.tagName.toLowerCase() === 'area' ||
    (e.getAttribute('target') || '_blank') !== '_blank' ||
    ['href', 'xlink:href'].some(a => {
      const href = e.getAttribute(a);
      if (href === null || e.tagName.toLowerCase() !== 'a') return false;
      if (!/^[\\w.#h]/.test(href) || href.includes('..') || href.includes('\\\\')) return true;
      const url = new URL(href, location.href);
      return !['http:', 'https:', 'mailto:'].includes(url.protocol);
    })).length;
// Whether the page outside of the host is still what it was.
window.intact = () => {
  const outside = document.getElementById('outside');
  const style = getComputedStyle(outside);
  return outside.getBoundingClientRect().height === 200 && style.display === 'block' &&
    style.backgroundImage === 'none' &&
    getComputedStyle(document.body).backgroundImage === 'none' &&
    [[5, 5], [300, 100], [700, 195]].every(([x, y]) => document.elementFromPoint(x, y) === outside);
};
</script>"""


@dataclass
class Listener:
    """What was asked of the loopback server, beside the page itself."""

    port: int = 0
    asked: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


@pytest.fixture(scope="session")
def listener() -> Iterator[Listener]:
    state = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = self.path == "/page"
            if not page:
                state.asked.append(self.path)
            body = PAGE.encode() if page else b""
            self.send_response(200 if page else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name http.server looks for

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def chromium(chromium_path: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, listener: Listener) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 900, "height": 700})
    page = context.new_page()
    page.on("dialog", lambda dialog: dialog.dismiss())
    page.goto(f"http://{listener.host}/page")
    listener.asked.clear()
    yield page
    context.close()


@pytest.fixture(scope="session")
def corpus() -> dict[str, Any]:
    return runpy.run_path(str(Path(__file__).with_name("active_corpus.py")))


@pytest.fixture
def policy() -> OutputPolicy:
    return OutputPolicy()
