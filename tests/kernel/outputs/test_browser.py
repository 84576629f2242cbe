"""The corpus in a real Chromium: what the policy lets through does nothing there."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from coderemote_kernel.outputs import OutputPolicy

pytestmark = pytest.mark.browser

PLAYLIST = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}\n#EXT-X-ENDLIST\n"
MARKUP = ["scripts", "handlers", "frames", "remote", "styles", "mutations"]


def fill(template: str, number: int, host: str) -> str:
    url = f"http://{host}/leak/{number}"
    playlist = base64.b64encode(PLAYLIST.format(url=url).encode()).decode()
    text = template.replace("HLS", playlist).replace("PWN", f"pwn({number})")
    return text.replace("URL", url).replace("HOST", host).replace("ID", str(number))


def shown(policy: OutputPolicy, mime: str, text: str) -> str:
    return str(policy.bundle({mime: text}, {}).data.get(mime, ""))


def wait_until_quiet(page: Any, listener: Any) -> None:
    """Wait until a request that was made last has come in, so that earlier ones have too."""
    page.evaluate("() => render('<img src=/sentinel>')")
    for _ in range(200):
        if "/sentinel" in listener.asked:
            break
        page.wait_for_timeout(20)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 300)))")


def happened(page: Any, listener: Any) -> set[int]:
    fired = {number for number in page.evaluate("() => window.fired") if isinstance(number, int)}
    asked = {path for path in listener.asked if path.startswith("/leak/")}
    fired |= {int(path.split("/")[2].split("?")[0]) for path in asked}
    return fired


@pytest.mark.parametrize("group", MARKUP)
def test_unfiltered_html_does_fire_so_the_oracle_can_fail(
    group: str, page: Any, listener: Any, corpus: Any
) -> None:
    templates = corpus["HTML"][group]
    for number, template in enumerate(templates):
        if "http-equiv" not in template:  # it would leave the page, and the record with it
            page.evaluate("html => render(html) && 0", fill(template, number, listener.host))
    wait_until_quiet(page, listener)
    assert len(happened(page, listener)) >= len(templates) // 3


@pytest.mark.parametrize("group", MARKUP)
def test_filtered_html_runs_nothing_and_calls_nobody(
    group: str, page: Any, listener: Any, corpus: Any
) -> None:
    policy = OutputPolicy()
    for number, template in enumerate(corpus["HTML"][group]):
        text = shown(policy, "text/html", fill(template, number, listener.host))
        hosts_before = page.evaluate("() => document.getElementsByClassName('host').length")
        leads = page.evaluate("html => leads(render(html))", text)
        assert leads == 0, text
        assert (
            page.evaluate("() => document.getElementsByClassName('host').length")
            == hosts_before + 1
        )
    assert page.evaluate("() => document.scripts.length") == 1
    wait_until_quiet(page, listener)
    assert page.evaluate("() => window.fired") == []
    assert set(listener.asked) == {"/sentinel"}


def test_filtered_drawings_run_nothing_as_xml_and_as_html(
    page: Any, listener: Any, corpus: Any
) -> None:
    policy = OutputPolicy()
    for number, template in enumerate(corpus["SVG"]):
        text = shown(policy, "image/svg+xml", fill(template, number, listener.host))
        if text:
            assert page.evaluate("svg => leads(render(svg, true))", text) == 0, text
    wait_until_quiet(page, listener)
    assert page.evaluate("() => window.fired") == []
    assert set(listener.asked) == {"/sentinel"}


def test_unfiltered_drawings_do_fire(page: Any, listener: Any, corpus: Any) -> None:
    for number, template in enumerate(corpus["SVG"]):
        page.evaluate("svg => render(svg, true) && 0", fill(template, number, listener.host))
    wait_until_quiet(page, listener)
    assert len(happened(page, listener)) >= 5


@pytest.mark.parametrize("filtered", [False, True], ids=["unfiltered", "filtered"])
def test_links_lead_nowhere_but_to_the_web(
    filtered: bool, page: Any, listener: Any, corpus: Any
) -> None:
    policy = OutputPolicy(trusted=not filtered)
    leading = 0
    for number, template in enumerate(corpus["LINKS"]):
        text = shown(policy, "text/html", fill(template, number, listener.host))
        leads = page.evaluate("html => leads(render(html))", text)
        assert not (filtered and leads), text
        leading += leads > 0
    assert filtered or leading >= 20


@pytest.mark.parametrize("filtered", [False, True], ids=["unfiltered", "filtered"])
def test_no_output_covers_or_repaints_the_page(
    filtered: bool, page: Any, listener: Any, corpus: Any
) -> None:
    policy = OutputPolicy(trusted=not filtered)
    broken = 0
    for template in (*corpus["OVERLAYS"], *corpus["STYLES"]):
        text = shown(policy, "text/html", fill(template, 0, listener.host))
        page.evaluate("html => { window.last = render(html) }", text)
        intact = page.evaluate("() => intact()")
        assert intact or not filtered, text
        broken += not intact
        page.evaluate("() => last.remove()")
    assert filtered or broken >= 12
