"""Folders of any name and any owner, with anything in them, or none at all."""

# Names and descriptors are handled as the code under test does, by os.
# ruff: noqa: PTH102, PTH123, PTH208

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from coderemote_sandbox.errors import WorkspaceError
from coderemote_sandbox.limits import Limits
from coderemote_sandbox.stage import Stage, StageRequest

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

NAMES = [
    "with space",
    "with:colon",
    "with,comma",
    "with\\backslash",
    "with'quote\"s",
    "žluťoučký 😀",
    "new\nline",
    "lowerdir=x,upperdir=y",
    "-rf",
    "trailing ",
    "%s$HOME`id`",
]


def staged(folder: Path, mode: str) -> dict[str, str | None]:
    """Show a folder on a stage and look at it from there, without the rest of a jail."""
    stage = Stage.build(StageRequest(str(folder), mode), Limits())
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            stage.enter()
            os.chdir(stage.folder or stage.workspace)
            found = {}
            for name in os.listdir("."):
                with open(name, errors="replace") as file:
                    found[name] = file.read()
            os.write(write, json.dumps([stage.mode, stage.note, found]).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        got, note, found = json.load(pipe)
    os.waitpid(pid, 0)
    stage.close()
    assert (got, note) == (mode, "")
    return found


@pytest.mark.parametrize("mode", ["overlay", "readonly"])
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_the_folders_name_may_be_anything(tmp_path, name, mode):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "data.csv").write_text("found")
    (folder / ".env").write_text("secret")
    found = staged(folder, mode)
    assert found["data.csv"] == "found"
    assert not found.get(".env")


def test_files_inside_may_have_any_name(tmp_path, opened):
    for name in NAMES:
        (tmp_path / name).write_text(name)
        (tmp_path / f".{name}").write_text("secret")
        (tmp_path / f"d{name}").mkdir()
        (tmp_path / f"d{name}" / f".{name}").write_text("secret")
    with opened(folder=str(tmp_path)) as session:
        seen = session.value(LISTING)
        assert seen == {**{name: name for name in NAMES}, **{f"d{name}": None for name in NAMES}}


def test_names_that_are_not_utf8_are_hidden_too(tmp_path, opened):
    raw = os.fsencode(tmp_path)
    with open(raw + b"/caf\xe9.txt", "w") as file:
        file.write("shown")
    with open(raw + b"/.caf\xe9", "w") as file:
        file.write("secret")
    os.mkdir(raw + b"/d\xff")
    with open(raw + b"/d\xff/.key", "w") as file:
        file.write("secret")
    with opened(folder=str(tmp_path)) as session:
        names = "repr(sorted(os.listdir(b'.'))), os.listdir(b'd\\xff') == []"
        code = f"import json, os; print(json.dumps([{names}]))"
        assert session.value(code) == [r"[b'caf\xe9.txt', b'd\xff']", True]


def test_a_folder_that_is_a_link_is_shown_as_what_it_points_to(tmp_path):
    real = tmp_path / "real"
    real.mkdir()
    (real / "data.csv").write_text("a,b")
    (real / ".env").write_text("secret")
    link = tmp_path / "link"
    link.symlink_to(real)
    assert staged(link, "overlay") == {"data.csv": "a,b"}


def test_a_link_that_leaves_the_folder_leads_nowhere(tmp_path, opened):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "absolute").symlink_to(secret)
    (folder / "relative").symlink_to("../secret.txt")
    with opened(folder=str(folder)) as session:
        assert "secret" not in session.run(LISTING).replace("secret.txt", "")


@pytest.mark.parametrize("mode", ["overlay", "readonly"])
def test_an_empty_folder_is_fine(tmp_path, mode):
    assert staged(tmp_path, mode) == {}


def test_without_a_folder_the_working_directory_is_empty(opened, tmp_path):
    (tmp_path / "data.csv").write_text("x")
    with opened(folder=str(tmp_path), workspace_mode="none") as session:
        assert session.value(LISTING) == {}
        assert session.run("import os; print(os.getcwd())") == "/workspace\n"


def test_a_missing_folder_is_refused_with_the_setting_to_correct(tmp_path):
    with pytest.raises(WorkspaceError, match=r"CodeRemoteKernel\.workspace"):
        Stage.build(StageRequest(str(tmp_path / "gone"), "overlay"), Limits())


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_folder_is_refused_with_the_setting_to_correct(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    try:
        with pytest.raises(WorkspaceError, match=r"cannot be read"):
            Stage.build(StageRequest(str(closed), "overlay"), Limits())
    finally:
        closed.chmod(0o700)


def test_a_file_in_place_of_a_folder_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("x")
    path.chmod(0o755)
    with pytest.raises((WorkspaceError, OSError)):
        Stage.build(StageRequest(str(path), "overlay"), Limits())


def test_files_only_their_owner_may_read_are_read_in_the_folder_of_that_owner(tmp_path, opened):
    private = tmp_path / "private.txt"
    private.write_text("mine")
    private.chmod(0o600)
    (tmp_path / "closed").mkdir(mode=0o700)
    (tmp_path / "closed" / "file").write_text("mine too")
    tmp_path.chmod(0o700)
    with opened(folder=str(tmp_path)) as session:
        seen = session.value(LISTING)
        assert seen["private.txt"] == "mine"
        assert seen["closed/file"] == "mine too"
        session.run("open('private.txt', 'a').write('!'); open('closed/new', 'w').write('x')")
        assert session.value(LISTING)["private.txt"] == "mine!"
    assert private.read_text() == "mine"


@needs_root
def test_other_peoples_private_files_stay_private(tmp_path, opened):
    """A folder of one user with files of another: the jail gets the first one's rights only."""
    os.chown(tmp_path, 1234, 1234)
    for name, owner, mode in (
        ("theirs", 4321, 0o600),
        ("roots", 0, 0o600),
        ("public", 4321, 0o644),
    ):
        path = tmp_path / name
        path.write_text(name)
        path.chmod(mode)
        os.chown(path, owner, owner)
    with opened(folder=str(tmp_path)) as session:
        seen = session.value(LISTING)
        assert seen == {"theirs": "errno 13", "roots": "errno 13", "public": "public"}
        # What may be read may be changed, in the copy.
        session.run("import os; os.remove('theirs'); open('theirs', 'w').write('new')")
    assert (tmp_path / "theirs").read_text() == "theirs"


def test_folders_too_many_to_look_through_are_hidden_and_said_to_be(tmp_path, opened, monkeypatch):
    from coderemote_sandbox import hidden

    for number in range(30):
        (tmp_path / f"folder-{number}" / "sub").mkdir(parents=True)
        (tmp_path / f"folder-{number}" / "sub" / ".key").write_text("secret")
    (tmp_path / "data.csv").write_text("found")
    defaults = hidden.find.__kwdefaults__
    monkeypatch.setitem(defaults, "entries", 40)
    monkeypatch.setitem(defaults, "seconds", 60.0)
    with opened(folder=str(tmp_path)) as session:
        seen = session.value(LISTING)
        assert seen["data.csv"] == "found"
        assert "secret" not in seen.values()
        [note] = session.launcher.notes
        assert "too many to look through" in note
