"""The import policy and the audit log, through a kernel."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.sandbox


def test_a_cell_against_the_policy_is_not_run_and_all_that_is_wrong_is_said(start_kernel, tmp_path):
    with start_kernel(tmp_path, import_policy="teaching", extra_allowed_imports="numpy") as kernel:
        cell = kernel.run("open('trace', 'w').close()\nimport os, socket")
        assert cell.error == "NotAllowedHere"
        said = "\n".join(cell.reply["traceback"])
        assert "line 2, column 8" in said
        assert "line 2, column 12" in said
        assert "numpy" in said
        assert kernel.ok("import math; print(math.floor(1.5))").text() == "1\n"
        assert kernel.run("!echo out").error == "NotAllowedHere"
        # The relay's own magics are no code of the cell's.
        assert kernel.ok("%limits\nprint(2)").text() == "2\n"


def test_every_cell_is_written_down_without_its_code_and_output(start_kernel, tmp_path):
    log = tmp_path / "audit.jsonl"
    folder = tmp_path / "folder"
    folder.mkdir()
    with start_kernel(folder, audit_log=log) as kernel:
        kernel.ok("print('the output of it')")
        kernel.run("1/0")
        kernel.run("import os; os._exit(1)")
    text = log.read_text()
    assert "the output" not in text
    assert "os._exit" not in text
    records = [json.loads(line) for line in text.splitlines()]
    assert [record["outcome"] for record in records] == ["ok", "error", "died"]
    assert all(len(record["cell_hash"]) == 64 for record in records)
    assert records[0]["output_bytes"] > 0
    assert records[0]["tier"].startswith("full")
