"""The oracles see what they are for, and keep quiet about what is harmless."""

from __future__ import annotations

import base64
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from coderemote_kernel.escape.active_output import active_in_html, active_in_message
from coderemote_kernel.escape.bait import Bait, Leaks
from coderemote_kernel.escape.client import Message
from coderemote_kernel.escape.machine import Machine
from coderemote_kernel.escape.protocol import Ledger


@pytest.fixture
def bait():
    planted = Bait()
    yield planted
    planted.close()


def eventually(look, patience_s=5.0):
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        if found := look():
            return found
    return []


def message(msg_type, content, *, channel="iopub", about="r1", asked="execute_request", **rest):
    parent = {"msg_id": about, "msg_type": asked} if about else {}
    header = {"msg_type": msg_type, "msg_id": "m"}
    return Message(channel, [b""] * 5, header=header, parent=parent, content=content, **rest)


def test_a_secret_is_found_however_it_is_written():
    leaks = Leaks()
    raw = leaks.plant("token").encode()
    for padding in (b"", b"a", b"ab"):
        assert leaks.find(base64.b64encode(padding + raw + b" and more")) == {"token"}
    for form in (raw, raw[::-1], raw.hex().encode(), raw.hex().upper().encode()):
        assert leaks.find(b"before " + form + b" after") == {"token"}
    assert not leaks.find(b"nothing here, not even crm-bait- alone")


def test_bait_notices_a_change_and_puts_it_right(bait):
    assert bait.touched() == []
    (bait.folder / "data.csv").write_text("changed")
    (bait.folder / "new.txt").write_text("new")
    (bait.folder / "lesson.ipynb").unlink()
    found = bait.touched()
    for name in ("data.csv", "new.txt", "lesson.ipynb"):
        assert any(name in line for line in found)
    assert (bait.folder / "data.csv").read_text().startswith("name,points")
    assert (bait.folder / "lesson.ipynb").exists()
    assert bait.touched() == []


def test_bait_hears_every_kind_of_visit(bait):
    targets = bait.targets
    with socket.create_connection(("127.0.0.1", targets["tcp"])):
        pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("127.0.0.1", targets["udp"]))
    for address in (targets["door"], "\0" + targets["abstract"]):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", targets["slot"])
    assert eventually(lambda: len(set(bait.listeners.heard)) == 5)
    assert len(bait.visits()) == 5
    assert bait.visits() == []


def test_the_bystander_tells_of_signals_and_is_replaced_when_killed(bait):
    os.kill(bait.targets["bystander"], signal.SIGUSR1)
    assert eventually(bait.disturbances) == ["the bystander got SIGUSR1"]
    os.kill(bait.targets["bystander"], signal.SIGKILL)
    bait.bystander.wait()
    assert "the bystander was killed" in bait.disturbances()
    assert bait.disturbances() == []


def test_nothing_is_left_behind():
    planted = Bait()
    loose = [Path(path) for path in planted.targets["tmp"]]
    assert all(path.exists() for path in loose)
    planted.close()
    assert not planted.root.exists()
    assert not any(path.exists() for path in loose)


def test_a_machine_at_rest_does_not_change():
    assert Machine("crm0000000000").changed() == []


@pytest.mark.parametrize(
    "harmless",
    [
        "<table border='1' class='dataframe'><tr style='text-align: right;'><th>a</th></table>",
        "<img src='data:image/png;base64,iVBORw0KGgo='>",
        "<style scoped>.dataframe tbody tr th { vertical-align: top; }</style>",
        "<p>5 &lt; 6, and &lt;script&gt; is only text</p>",
        "<a href='https://example.org/page'>a link that someone has to click</a>",
        "<svg width='10'><circle r='4' fill='url(#g)'/></svg>",
    ],
)
def test_harmless_markup_is_left_in_peace(harmless):
    assert active_in_html(harmless) == []


@pytest.mark.parametrize(
    "active",
    [
        "<script>evil()</script>",
        "<img src=x onerror=evil()>",
        "<a href='java\tscript:evil()'>x</a>",
        "<a href='&#106;avascript:evil()'>x</a>",
        "<img src=//example.org/x>",
        "<div style='background:u\\72l(//example.org)'>x</div>",
        "<div style='background:ur/**/l(//example.org)'>x</div>",
        "<math><style><!--</style><img title='--><img src=x onerror=evil()>'>",
        "<button data-commandlinker-command='x'>x</button>",
    ],
)
def test_active_markup_is_found(active):
    assert active_in_html(active)


def test_what_is_held_back_is_not_looked_into():
    held = {
        "application/vnd.coderemote.isolated+json": {"text/html": "<script>"},
        "text/plain": "x",
    }
    assert list(active_in_message(message("display_data", {"data": held}))) == []


def test_a_widget_of_a_foreign_module_is_found_and_a_core_one_is_not():
    def opened(module):
        data = {"state": {"_model_module": module, "_view_module": module, "value": 1}}
        return message("comm_open", {"target_name": "jupyter.widget", "data": data})

    assert list(active_in_message(opened("@jupyter-widgets/controls"))) == []
    assert list(active_in_message(opened("evil")))


def test_an_honest_exchange_is_without_fault():
    ledger = Ledger({"r1": "execute_request"})
    exchange = [
        message("status", {"execution_state": "busy"}),
        message("execute_input", {}),
        message("stream", {"text": "x"}),
        message("execute_reply", {"status": "ok"}, channel="shell"),
        message("status", {"execution_state": "idle"}),
        message("status", {"execution_state": "starting"}, about=""),
    ]
    assert [fault for one in exchange for fault in ledger.faults(one)] == []


@pytest.mark.parametrize(
    "lie",
    [
        message("stream", {"text": "x"}, about="never made"),
        message("stream", {"text": "x"}, asked="shutdown_request"),
        message("status", {"execution_state": "dead"}),
        message("crm_unknown", {}),
        message("kernel_info_reply", {}, channel="shell"),
        message("execute_reply", {}, channel="shell", about=""),
        message("execute_request", {}, channel="stdin"),
        message("stream", {}, flaw="a wrong signature"),
    ],
)
def test_a_lie_is_a_fault(lie):
    assert list(Ledger({"r1": "execute_request"}).faults(lie))


def test_a_second_reply_and_a_second_idle_are_faults():
    ledger = Ledger({"r1": "execute_request"})
    for one in (
        message("execute_reply", {}, channel="shell"),
        message("status", {"execution_state": "idle"}),
    ):
        assert not list(ledger.faults(one))
        assert list(ledger.faults(one))
