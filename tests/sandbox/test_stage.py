"""The notebook's folder as the jail sees it: all of it to read, none of it to change."""

# Names and descriptors are handled as the code under test does, by os.
# ruff: noqa: PTH113, PTH114, PTH115, PTH118, PTH123

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from coderemote_sandbox.limits import MIB, Limits

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.sandbox

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make this")

LISTING = """
import json, os
found = {}
for top, folders, files in os.walk(".", onerror=None):
    for name in folders + files:
        path = os.path.join(top, name)[2:]
        try:
            found[path] = open(path).read() if os.path.isfile(path) else None
        except OSError as error:
            found[path] = f"errno {error.errno}"
print(json.dumps(found))
"""


def fill(folder: Path) -> None:
    (folder / "data.csv").write_text("a,b\n1,2\n")
    (folder / "sub" / "deeper").mkdir(parents=True)
    (folder / "sub" / "deeper" / "note.txt").write_text("deep")
    (folder / "link.csv").symlink_to("data.csv")
    (folder / ".env").write_text("KEY=secret")
    (folder / ".ssh").mkdir()
    (folder / ".ssh" / "id").write_text("secret")
    (folder / "sub" / ".hidden").write_text("secret")
    (folder / "sub" / "deeper" / ".git").mkdir()
    (folder / "sub" / "deeper" / ".git" / "config").write_text("secret")
    (folder / "sub" / ".link").symlink_to("../data.csv")


def snapshot(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Everything about a folder that a write would change."""
    found = {}
    for top, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = os.path.join(top, name)
            facts = os.lstat(path)
            content = b""
            if os.path.islink(path):
                content = os.fsencode(os.readlink(path))
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    content = file.read()
            found[os.path.relpath(path, folder)] = (
                facts.st_mode,
                facts.st_mtime_ns,
                facts.st_uid,
                content,
            )
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("notebook")
    fill(folder)
    return folder


@pytest.fixture(scope="module", params=["overlay", "readonly"])
def session(request, folder, opened):
    with opened(folder=str(folder), workspace_mode=request.param) as session:
        session.mode = request.param
        yield session


@pytest.fixture(scope="module")
def overlay(folder, opened):
    with opened(folder=str(folder)) as session:
        yield session


def test_what_is_asked_for_is_what_there_is(session):
    assert session.launcher.notes == []
    rows = {layer.name: layer for layer in session.launcher.layers()}
    assert rows["working directory"].got == session.mode


def test_files_are_read_where_the_notebook_lies(session):
    seen = session.value(LISTING)
    assert seen["data.csv"] == "a,b\n1,2\n"
    assert seen["link.csv"] == "a,b\n1,2\n"
    assert seen["sub/deeper/note.txt"] == "deep"


def test_no_dot_file_can_be_read_at_any_depth(session):
    seen = session.value(LISTING)
    assert "secret" not in {str(text).removeprefix("KEY=") for text in seen.values()}
    code = """
import json
got = []
for path in (".env", ".ssh/id", "sub/.hidden", "sub/deeper/.git/config"):
    try:
        got.append(open(path).read())
    except OSError as error:
        got.append("")
print(json.dumps(got))
"""
    assert session.value(code) == [""] * 4


def test_no_dot_file_is_even_listed(overlay):
    seen = overlay.value(LISTING)
    assert not [p for p in seen if any(part.startswith(".") for part in p.split("/"))]


def test_checkpoints_that_jupyter_makes_later_are_hidden(overlay, folder):
    checkpoints = folder / ".ipynb_checkpoints"
    checkpoints.mkdir()
    (checkpoints / "late.ipynb").write_text("secret")
    try:
        assert ".ipynb_checkpoints" not in overlay.value(
            "import json, os; print(json.dumps(os.listdir()))"
        )
        with_error = overlay.run(
            "import os; print(os.path.exists('.ipynb_checkpoints/late.ipynb'))"
        )
        assert with_error == "False\n"
    finally:
        (checkpoints / "late.ipynb").unlink()
        checkpoints.rmdir()


def test_checkpoints_made_later_are_hidden_in_the_read_only_view_too(tmp_path, opened):
    (tmp_path / "data.csv").write_text("x")
    with opened(folder=str(tmp_path), workspace_mode="readonly") as session:
        session.wait_ready()
        (tmp_path / ".ipynb_checkpoints").mkdir()
        (tmp_path / ".ipynb_checkpoints" / "late.ipynb").write_text("secret")
        code = "import os; print(os.path.exists('.ipynb_checkpoints/late.ipynb'))"
        assert session.run(code) == "False\n"


CHANGES = """
import json, os, shutil
failed = []
def attempt(what):
    try:
        what()
    except OSError as error:
        failed.append(error.errno)
def write(path, mode):
    with open(path, mode) as file:
        file.write("changed")
attempt(lambda: write("data.csv", "w"))
attempt(lambda: write("sub/deeper/note.txt", "a"))
attempt(lambda: write("new.txt", "w"))
attempt(lambda: os.mkdir("newdir"))
attempt(lambda: os.rename("data.csv", "renamed.csv"))
attempt(lambda: os.rename("sub/deeper", "sub/moved"))
attempt(lambda: os.chmod("link.csv", 0o777) if os.path.exists("link.csv") else None)
attempt(lambda: os.utime("sub", (0, 0)))
attempt(lambda: os.truncate("renamed.csv", 0))
attempt(lambda: os.remove("renamed.csv"))
attempt(lambda: shutil.rmtree("sub"))
attempt(lambda: os.symlink("/etc/passwd", "alink"))
attempt(lambda: os.link("new.txt", "hard.txt"))
attempt(lambda: os.setxattr("new.txt", "user.x", b"1"))
print(json.dumps([failed, sorted(os.listdir("."))]))
"""


@pytest.mark.parametrize("mode", ["overlay", "readonly"])
def test_nothing_a_cell_does_reaches_the_folder(tmp_path, opened, mode):
    fill(tmp_path)
    before = snapshot(tmp_path)
    with opened(folder=str(tmp_path), workspace_mode=mode) as session:
        failed, listing = session.value(CHANGES)
        assert snapshot(tmp_path) == before
        if mode == "overlay":
            # What an overlay does not do: rename a folder of the lower layer (18), and, on some
            # kernels, extended attributes (95). Programs copy instead, and do without.
            assert set(failed) <= {18, 95}
            assert listing == ["alink", "hard.txt", "link.csv", "new.txt", "newdir"]
        else:
            assert len(failed) > 8
    assert snapshot(tmp_path) == before


def test_a_whiteout_cannot_be_taken_away_from_inside(overlay):
    """Neither by removing, renaming over, nor by making a folder of the same name opaque."""
    code = """
import json, os, shutil
steps = []
for step in (
    lambda: os.mkdir(".ssh"),
    lambda: os.listdir(".ssh"),
    lambda: os.rmdir(".ssh"),
    lambda: open(".env", "w").close(),
    lambda: open(".env").read(),
    lambda: os.remove(".env"),
    lambda: open(".env").read(),
    lambda: shutil.move("sub/deeper", "sub/elsewhere") and None,
    lambda: os.listdir("sub/elsewhere"),
    lambda: open("sub/elsewhere/.git/config").read(),
    lambda: shutil.move("sub/elsewhere", "sub/deeper") and None,
):
    try:
        steps.append(step())
    except OSError as error:
        steps.append(error.errno)
print(json.dumps(steps))
"""
    text = overlay.run(code)
    assert "secret" not in text
    steps = json.loads(text)
    assert steps[:7] == [None, [], None, None, "", None, 2]
    assert steps[8:10] == [["note.txt"], 2]


def test_what_cells_wrote_outlives_their_jail(tmp_path, opened):
    fill(tmp_path)
    with opened(folder=str(tmp_path)) as session:
        session.run("open('result.txt', 'w').write('kept'); import os; os.remove('data.csv')")
        session.send("import os; os._exit(3)")
        session.wait_for_death()
        session.next_jail()
        code = "import os; print(open('result.txt').read(), os.path.exists('data.csv'))"
        assert session.run(code) == "kept False\n"
        used, files = session.launcher.workspace_usage()
        assert used > 0
        assert files >= 2


def test_another_session_sees_nothing_of_it(tmp_path, opened):
    with opened(folder=str(tmp_path)) as one, opened(folder=str(tmp_path)) as other:
        one.run("open('mine.txt', 'w').write('x')")
        assert other.value("import json, os; print(json.dumps(os.listdir()))") == []


WRITE_UNTIL_FULL = """
import json, os
def fill(folder, block):
    written = 0
    try:
        with open(folder + "/full", "wb", buffering=0) as file:
            while True:
                written += file.write(block)
    except OSError as error:
        os.remove(folder + "/full")
        return written, error.errno
print(json.dumps([fill(place, bytes(65536)) for place in PLACES]))
"""


@pytest.mark.parametrize("mode", ["overlay", "readonly", "none"])
def test_space_ends_where_it_was_said_to(tmp_path, opened, mode):
    limits = Limits(workspace_bytes=4 * MIB, tmp_bytes=2 * MIB)
    with opened(folder=str(tmp_path), workspace_mode=mode, limits=limits) as session:
        code = "PLACES = ['/workspace', '/tmp', '/dev/shm']" + WRITE_UNTIL_FULL
        (work, no_space), (tmp, no_tmp), (shm, no_shm) = session.value(code)
    assert no_space == no_tmp == no_shm == 28
    assert 0.9 * 4 * MIB < work <= 4 * MIB
    assert 0.9 * 2 * MIB < tmp <= 2 * MIB
    assert 0.9 * 2 * MIB < shm <= 2 * MIB


def test_files_end_where_they_were_said_to(tmp_path, opened):
    with opened(folder=str(tmp_path), limits=Limits(workspace_inodes=100)) as session:
        code = """
import json
made = 0
try:
    while True:
        open(f"/workspace/{made}", "w").close()
        made += 1
except OSError as error:
    print(json.dumps([made, error.errno]))
"""
        made, error = session.value(code)
        assert error == 28
        # The overlay keeps one or two files of its own.
        assert 97 <= made <= 100
        assert session.launcher.workspace_usage()[1] >= 100


def test_a_full_workspace_can_be_emptied_again(tmp_path, opened):
    with opened(
        folder=str(tmp_path), limits=Limits(workspace_bytes=MIB, workspace_inodes=64)
    ) as session:
        code = "PLACES = ['/workspace'] * 3" + WRITE_UNTIL_FULL
        assert [error for _, error in session.value(code)] == [28] * 3
