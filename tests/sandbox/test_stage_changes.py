"""What is changed in the folder while a jail runs: by the user, in an editor, in Jupyter."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.sandbox


def test_a_file_written_in_place_is_the_new_one(tmp_path, opened):
    (tmp_path / "data.csv").write_text("old")
    with opened(folder=str(tmp_path)) as session:
        assert session.run("print(open('data.csv').read())") == "old\n"
        (tmp_path / "data.csv").write_text("new")
        assert session.run("print(open('data.csv').read())") == "new\n"


@pytest.mark.parametrize("mode", ["overlay", "readonly"])
def test_what_was_replaced_added_or_removed_is_seen_by_the_next_cell(tmp_path, opened, mode):
    """Jupyter and editors save a file by putting another in its place."""
    look = "import os; print(open('sub/helper.py').read(), sorted(os.listdir('sub')))"
    sub = tmp_path / "sub"
    sub.mkdir()
    (sub / "helper.py").write_text("old")
    (sub / "away.txt").write_text("x")
    with opened(folder=str(tmp_path), workspace_mode=mode) as session:
        assert session.run(look) == "old ['away.txt', 'helper.py']\n"
        (sub / "saved").write_text("new")
        (sub / "saved").rename(sub / "helper.py")
        (sub / "away.txt").unlink()
        (sub / "more.txt").write_text("x")
        session.launcher.refresh()
        assert session.run(look) == "new ['helper.py', 'more.txt']\n"


def test_what_a_cell_wrote_stays_through_a_look_at_the_folder(tmp_path, opened):
    with opened(folder=str(tmp_path)) as session:
        session.run("file = open('mine.txt', 'w'); file.write('mine'); file.flush()")
        (tmp_path / "theirs.txt").write_text("theirs")
        session.launcher.refresh()
        assert session.run("file.write('!'); file.flush(); print(open('mine.txt').read())") == (
            "mine!\n"
        )
        assert session.run("print(open('theirs.txt').read())") == "theirs\n"


def test_a_folder_that_did_not_change_is_not_looked_at_again(tmp_path, opened):
    with opened(folder=str(tmp_path)) as session:
        session.run("1")
        assert session.launcher._stage.refresh() is False
