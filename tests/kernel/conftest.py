"""Histories for the tests of the history."""

import pytest

from coderemote_kernel.history import HistoryStore


@pytest.fixture
def problems():
    return []


@pytest.fixture
def open_store(tmp_path, problems):
    """Open histories on one file, as so many kernels would, and close them in the end."""
    opened = []

    def opening(path=None, **options):
        path = path or tmp_path / "folder" / "history.sqlite"
        store = HistoryStore(str(path), problems.append, **options)
        opened.append(store)
        return store

    yield opening
    for store in opened:
        assert store.close(10)
