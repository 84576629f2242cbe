from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import coderemote_kernel.escape
from coderemote_kernel.escape.attack import Category, Ending, Profile
from coderemote_kernel.escape.catalogue import ATTACKS
from coderemote_kernel.escape.session import cell_of

INSIDE = Path(coderemote_kernel.escape.__file__).with_name("inside.py").read_text()


def test_there_are_enough_attacks_in_every_category():
    count = Counter(attack.category for attack in ATTACKS)
    assert len(ATTACKS) >= 200
    assert count.keys() == set(Category)
    assert min(count.values()) >= 6
    assert count[Category.RESOURCES] >= 15


def test_names_are_unique_and_say_nothing_twice():
    assert len({attack.id for attack in ATTACKS}) == len(ATTACKS)
    assert len({(attack.category, attack.title) for attack in ATTACKS}) == len(ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
def test_an_attack_is_a_whole_cell_that_says_when_it_acts(attack):
    compile(cell_of(attack, {}), attack.id, "exec")
    assert "attempt(" in attack.code
    assert (attack.ending is not None) == (attack.profile is Profile.ENDING)


def test_attacks_that_may_harm_a_machine_are_not_run_on_a_kernel_without_walls():
    harmful = {Category.RESOURCES, Category.PRIVILEGE, Category.OUTLIVING}
    assert not [attack.id for attack in ATTACKS if attack.stock and attack.category in harmful]


def test_every_way_to_end_a_kernel_is_attacked():
    assert {attack.ending for attack in ATTACKS} - {None} == set(Ending)


def test_the_start_of_a_cell_holds_no_secret_by_itself():
    assert "crm-bait-" not in INSIDE
    assert not [attack.id for attack in ATTACKS if "crm-bait-" in attack.code]
