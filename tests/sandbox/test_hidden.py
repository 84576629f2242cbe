"""What of the notebook's folder the jail must not see."""

# Names and descriptors are handled as the code under test does, by os.
# ruff: noqa: PTH102, PTH118

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coderemote_sandbox import hidden

names = st.one_of(
    st.sampled_from([".env", ".ipynb_checkpoints", ".", "..", "a", "b", "data.csv", "sub", ".sub"]),
    st.text(
        alphabet=st.characters(exclude_characters="/\0", exclude_categories=["Cs"]),
        min_size=1,
        max_size=8,
    ),
).filter(lambda name: name not in {".", ".."} and len(name.encode()) < 100)
paths = st.lists(names, min_size=1, max_size=4)


def build(folder: Path, tree: list[list[str]]) -> None:
    for path in tree:
        target = folder.joinpath(*path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.write_text("x")
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue


def everything(folder: Path) -> set[str]:
    found = set()
    for top, folders, files in os.walk(folder):
        for name in folders + files:
            found.add(os.path.relpath(os.path.join(top, name), folder))
    return found


def has_dot(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def covered(path: str, hidden_paths: list[str]) -> bool:
    return any(path == other or path.startswith(other + "/") for other in hidden_paths)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(tree=st.lists(paths, max_size=12), budget=st.sampled_from([1, 3, 10, 50_000]))
def test_whatever_has_a_dot_in_its_path_is_hidden_whatever_the_budget(tree, budget):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder, tree)
        found = hidden.find(name, entries=budget, seconds=60)
        masked = found.entries + found.unseen
        for path in everything(folder):
            if has_dot(path):
                assert covered(path, masked), path
            elif budget == 50_000:
                assert not covered(path, masked), path


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(tree=st.lists(paths, max_size=12))
def test_rules_that_only_allow_never_allow_a_dot_file(tree):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder, tree)
        listed, readable = hidden.visible(name)
        allowed = [os.path.relpath(path, name) for path in readable]
        for path in everything(folder):
            if has_dot(path):
                assert not covered(path, allowed), path
            elif (folder / path).is_file():
                assert covered(path, allowed), path
        for path in listed:
            assert path.rstrip("/") == name or not has_dot(os.path.relpath(path, name))


def test_the_top_folder_is_read_however_late_it_is(tmp_path):
    (tmp_path / ".env").write_text("secret")
    assert hidden.find(str(tmp_path), seconds=-1).entries == [".env"]


def test_folders_that_were_not_looked_into_in_time_are_hidden_whole(tmp_path):
    for number in range(5):
        (tmp_path / f"folder-{number}" / "sub").mkdir(parents=True)
        (tmp_path / f"folder-{number}" / "sub" / ".secret").write_text("x")
    found = hidden.find(str(tmp_path), entries=7, seconds=60)
    assert found.entries == []
    for number in range(5):
        assert covered(f"folder-{number}/sub/.secret", found.unseen)


def test_links_are_not_followed(tmp_path):
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / ".secret").write_text("x")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    assert hidden.find(str(folder)) == hidden.Hidden(folders=[""])


def test_a_dot_folder_is_hidden_whole_and_not_walked(tmp_path):
    (tmp_path / ".git" / "objects" / ".x").mkdir(parents=True)
    assert hidden.find(str(tmp_path)).entries == [".git"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_passed_over(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    assert hidden.find(str(tmp_path)) == hidden.Hidden()
    closed.chmod(0o700)


def test_names_that_are_not_utf8_are_walked_too(tmp_path):
    os.mkdir(os.fsencode(tmp_path) + b"/caf\xe9")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9/.secret")).write_text("x")
    assert [os.fsencode(p) for p in hidden.find(str(tmp_path)).entries] == [b"caf\xe9/.secret"]
