"""What a cell displays cannot act in the page. The stock kernel shows that these payloads would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.browser

HEAD = "from IPython.display import HTML, Javascript, Markdown, display\n"
PAYLOADS = {
    "javascript": 'display(Javascript("FIRE"))',
    "script": 'display(HTML("<b>headline</b><script>FIRE</script>"))',
    "handler": 'display(HTML("<b>headline</b><img src=x onerror=\\"FIRE\\">"))',
    "toggle": 'display(HTML("<b>headline</b><details open ontoggle=\\"FIRE\\">more</details>"))',
    "text": 'display(Markdown("<img src=x onerror=\\"FIRE\\">"))',
    "update": """shown = display(HTML("<b>headline</b>"), display_id=True)
shown.update(HTML("<b>new</b><img src=x onerror=\\"FIRE\\">"))""",
    "picture": 'display(HTML("<b>headline</b><img src=\\"URL\\">"))',
    "markdown": 'display(Markdown("![a picture](URL)"))',
}


def cells(url: str) -> list[str]:
    return [
        HEAD
        + code.replace("FIRE", f"(window.fired ??= []).push(`{name}`)").replace(
            "URL", f"{url}/{name}"
        )
        for name, code in PAYLOADS.items()
    ]


def wait_until_quiet(notebook: Any) -> None:
    """Wait until what the outputs ask for has been asked for, and had its answer."""
    notebook.page.wait_for_load_state("networkidle")


def test_on_the_stock_kernel_every_payload_fires(
    new_notebook: Callable[..., Any], listener: Any
) -> None:
    notebook = new_notebook(*cells(listener.url), kernel="python3")
    notebook.run_all()
    notebook.wait("count => window.fired?.length >= count", len(PAYLOADS) - 2)
    wait_until_quiet(notebook)
    assert set(notebook.page.evaluate("() => window.fired")) | {"picture", "markdown"} == set(
        PAYLOADS
    )
    assert {"/picture", "/markdown"} <= set(listener.asked)
    assert {f"{listener.url}/picture", f"{listener.url}/markdown"} <= set(notebook.elsewhere)


def test_on_our_kernel_none_does_and_a_note_says_so(
    new_notebook: Callable[..., Any], listener: Any
) -> None:
    notebook = new_notebook(*cells(listener.url))
    notebook.run_all()
    for number in range(1, len(PAYLOADS) + 1):
        notebook.output(number).get_by_text("held back by coderemote").first.wait_for()
    wait_until_quiet(notebook)
    assert notebook.page.evaluate("() => window.fired") is None
    assert listener.asked == []
    assert notebook.elsewhere == []
    assert notebook.output(2).get_by_text("headline").is_visible()
    assert notebook.errors == []


def test_an_output_saved_and_opened_again_still_does_nothing(
    new_notebook: Callable[..., Any], open_notebook: Callable[..., Any], listener: Any
) -> None:
    """A browser trusts what its user has saved: only what was saved can protect it then."""
    notebook = new_notebook(*cells(listener.url))
    notebook.run_all()
    notebook.page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    name = notebook.page.evaluate("() => jupyterapp.shell.currentWidget.context.path")
    again = open_notebook(name)
    again.output(2).get_by_text("headline").wait_for()
    wait_until_quiet(again)
    assert again.page.evaluate("() => window.fired") is None
    assert listener.asked == []
    assert again.elsewhere == []


def test_inert_output_looks_as_on_the_stock_kernel(new_notebook: Callable[..., Any]) -> None:
    code = [
        "import pandas as pd\npd.DataFrame({'a': [1, 2], 'b': ['x', '<y>']}, index=['one', 'two'])",
        "from IPython.display import Math\nMath(r'\\frac{1}{2}')",
        "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2]);",
    ]
    seen = []
    for kernel in ("python3", "coderemote"):
        notebook = new_notebook(*code, kernel=kernel)
        notebook.run_all()
        table = notebook.output(1).locator("table").inner_html()
        math = notebook.output(2).locator("mjx-container").count()
        plot = notebook.output(3).locator("img").evaluate("image => [image.width, image.height]")
        seen.append((table, math, plot))
    assert seen[0] == seen[1]
