"""The runner is able to see an escape, a death and an attack that is none."""

from __future__ import annotations

import json

import pytest

from coderemote_kernel.escape.attack import Attack, Category, Outcome, Tier
from coderemote_kernel.escape.command import main
from coderemote_kernel.escape.report import as_json, as_table, unexpected
from coderemote_kernel.escape.runner import Arena, chosen, in_order
from coderemote_kernel.escape.session import Kernel, Result

# These cells are run on a stock kernel, which has no walls: so they must be found out.
HOW_MANY_GET_THROUGH = 85


def attack(code, **rest):
    return Attack(id="test", category=Category.FILES, title="a test", code=code, **rest)


@pytest.fixture(scope="module")
def arena():
    with Arena(Kernel(stock=True)) as opened:
        yield opened


def test_a_cell_that_does_nothing_is_held(arena):
    assert arena.run(attack("attempt()")).outcome is Outcome.HELD


def test_a_cell_that_never_attacks_is_a_dud(arena):
    assert arena.run(attack("pass")).outcome is Outcome.DUD


@pytest.mark.parametrize(
    "code", ["attempt()\nno_such_name", "attempt(", "attempt()\nimport nowhere"]
)
def test_a_cell_with_a_mistake_is_a_dud(arena, code):
    assert arena.run(attack(code)).outcome is Outcome.DUD


def test_an_error_that_is_the_point_is_no_mistake(arena):
    wanted = attack("attempt()\nraise TypeError", may_fail=frozenset({"TypeError"}))
    assert arena.run(wanted).outcome is Outcome.HELD


def test_a_cell_that_says_it_got_through_is_believed(arena):
    result = arena.run(attack("attempt()\ngot('the moon')"))
    assert result.outcome is Outcome.ESCAPED
    assert result.findings == ["the cell says: the moon"]


def test_a_kernel_that_ends_is_dead_and_the_next_attack_gets_another(arena):
    assert arena.run(attack("attempt(0.1)\nos._exit(3)")).outcome is Outcome.DEAD
    assert arena.run(attack("attempt()")).outcome is Outcome.HELD


def test_the_harmless_attacks_get_through_where_there_are_no_walls():
    with Arena(Kernel(stock=True)) as arena:
        results = [arena.run(one) for one in in_order(chosen(stock=True))]
    through = [result.attack.id for result in results if result.outcome is Outcome.ESCAPED]
    held = [(r.attack.id, r.outcome) for r in results if r.outcome is not Outcome.ESCAPED]
    assert len(through) >= HOW_MANY_GET_THROUGH, held
    assert not [name for name, outcome in held if outcome is not Outcome.HELD]


def test_an_escape_is_unexpected_unless_the_tier_is_weak_there():
    strong, weak = attack("pass"), attack("pass", weak_in=frozenset({Tier.NO_NAMESPACES}))
    results = [Result(one, Outcome.ESCAPED) for one in (strong, weak)]
    assert unexpected(results, Tier.FULL) == results
    assert unexpected(results, Tier.NO_NAMESPACES) == results[:1]


def test_deaths_and_duds_are_never_expected():
    weak = attack("pass", weak_in=frozenset(Tier))
    results = [Result(weak, Outcome.DEAD), Result(weak, Outcome.DUD)]
    assert unexpected(results, Tier.FULL) == results


def test_the_report_names_what_got_through():
    results = [Result(attack("pass"), Outcome.ESCAPED, ["the secret 'token'"])]
    table = as_table(results, Tier.FULL, stock=False)
    assert "NOT AS PROMISED" in table
    assert "the secret 'token'" in table
    told = json.loads(as_json(results, Tier.FULL, stock=False))
    assert told["passed"] is False
    assert told["attacks"][0]["expected"] is False


def test_the_command_lists_attacks_and_refuses_unknown_ones(capsys):
    assert main(["--list"]) == 0
    assert "network-tcp" in capsys.readouterr().out
    assert main(["--attack", "no-such"]) == 2


def test_the_command_runs_one_attack_on_the_stock_kernel(capsys):
    assert main(["--stock", "--json", "--attack", "secrets-environment"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["attacks"][0]["outcome"] == "escaped"
