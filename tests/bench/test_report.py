"""The page says what was measured, and says "missed" where it was."""

# ruff: noqa: RUF001 - the multiplication sign is meant

from __future__ import annotations

from .report import page, table
from .results import Row, Section, compare, judge, slope


def test_a_ratio_is_of_medians_and_held_against_both_marks():
    row = compare("start", [1.0, 2.0, 9.0], [3.0, 1.5, 4.0], must=1.2, aim=1.0)
    assert (row.measured, row.minima, row.verdict) == ("1.50×", "1.50×", "missed")


def test_verdicts_tell_must_from_aim():
    assert [judge(value, 1.3, 1.0) for value in (0.9, 1.0, 1.3, 1.31)] == [
        "aim reached",
        "aim reached",
        "reached",
        "missed",
    ]
    assert judge(5.0, None) == "—"


def test_a_missed_mark_stands_out_in_the_table():
    assert "**missed**" in table([Row("print", "2.0×", "missed", must="≤ 1.5×")])


def test_the_page_keeps_what_was_asked_apart_from_what_was_not():
    rows = [Row("asked", "1", "reached", must="≤ 2"), Row("not asked", "1", "—")]
    facts = {"date": "2026-01-01", "command": "bench", "cores": "2"}
    text = page([(Section("Part", rows, how="by hand"), facts)])
    asked, also = text.split("## Also measured")
    assert "| asked |" in asked
    assert "| not asked |" in also
    assert "- cores: 2" in also


def test_a_section_survives_being_stored():
    section = Section("Part", [Row("a", "1", "—")], how="by hand", notes=["note"])
    assert Section.from_json(section.as_json()) == section


def test_the_slope_of_a_flat_line_is_nothing():
    assert slope([(0, 5), (1, 5), (2, 5)]) == 0
    assert slope([(0, 0), (2, 4)]) == 2
