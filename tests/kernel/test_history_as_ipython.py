"""The history answers as IPython's own does."""

import atexit

import pytest
from IPython.core.history import HistoryManager
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


@pytest.fixture(scope="module")
def ipython():
    """Give a shell for IPython's history manager, which cannot be without one."""
    shell = InteractiveShell(config=Config(HistoryManager={"hist_file": ":memory:"}))
    yield shell
    atexit.unregister(shell.atexit_operations)
    shell.history_manager.close()


@pytest.fixture
def both(ipython, open_store, tmp_path):
    """Give IPython's history and ours, after the same three sessions."""
    sessions = [["import os", "x = 1", "x = 1"], ["y = 2", "print(x)"], ["x = 1", "z = [1]", "ö"]]
    for number, sources in enumerate(sessions):
        theirs = HistoryManager(shell=ipython, hist_file=str(tmp_path / "ipython.sqlite"))
        ours = open_store()
        for line, source in enumerate(sources, 1):
            theirs.store_inputs(line, source)
            ours.record(line, source)
        theirs.writeout_cache()
        assert ours.flush()
        if number < len(sessions) - 1:
            theirs.close()
            ours.close()
    yield theirs, ours
    theirs.close()


def as_ipykernel(manager, content):
    """Answer as ipykernel's `do_history` does."""
    arguments = {key: value for key, value in content.items() if key != "hist_access_type"}
    match content["hist_access_type"]:
        case "tail":
            found = manager.get_tail(**arguments, include_latest=True)
        case "range":
            found = manager.get_range(**arguments)
        case "search":
            found = manager.search(**arguments)
    return [tuple(entry) for entry in found]


FLAGS = [{"output": output, "raw": True} for output in (False, True)]


@pytest.mark.parametrize("flags", FLAGS, ids=str)
@pytest.mark.parametrize("n", [None, 0, 1, 2, 4, 7, 100])
def test_the_tail_is_ipythons(both, flags, n):
    content = {"hist_access_type": "tail", "n": n} | flags
    assert both[1].reply(content)["history"] == as_ipykernel(both[0], content)


@pytest.mark.parametrize("flags", FLAGS, ids=str)
@pytest.mark.parametrize("session", [0, -1, -2, -3, 1, 2, 3, 4])
def test_a_range_is_ipythons(both, flags, session):
    for start in (0, 1, 2, 3, -1, -2):
        for stop in (None, 0, 1, 2, 3, 99, -1, -2):
            content = {"hist_access_type": "range", "session": session} | flags
            content |= {"start": start, "stop": stop}
            found = both[1].reply(content)["history"]
            if session == 3:
                # The current session by its number: ours says the number, IPython says 0.
                assert {entry[0] for entry in found} <= {3}
                found = [(0, *entry[1:]) for entry in found]
            assert found == as_ipykernel(both[0], content), content


@pytest.mark.parametrize("flags", FLAGS, ids=str)
@pytest.mark.parametrize("unique", [False, True])
@pytest.mark.parametrize("pattern", ["*", "x*", "*=*", "? = ?", "[xy] =*", "nothing", "", None])
def test_a_search_is_ipythons(both, flags, unique, pattern):
    for n in (None, 0, 1, 2, 100):
        content = {"hist_access_type": "search", "pattern": pattern, "n": n} | flags
        content["unique"] = unique
        assert both[1].reply(content)["history"] == as_ipykernel(both[0], content), content
