"""Every attack, on the kernel as it ships: none gets out, and the kernel lives."""

from __future__ import annotations

import pytest

from coderemote_kernel.escape.attack import Category, Outcome, Tier
from coderemote_kernel.escape.catalogue import ATTACKS
from coderemote_kernel.escape.runner import Arena, chosen, in_order
from coderemote_kernel.escape.session import Kernel

pytestmark = [pytest.mark.escape, pytest.mark.sandbox, pytest.mark.slow]


@pytest.fixture(scope="module")
def arena():
    with Arena(Kernel(tier=Tier.FULL)) as opened:
        yield opened


@pytest.mark.parametrize("attack", in_order(ATTACKS), ids=lambda attack: attack.id)
def test_the_attack_is_held_off(arena, attack):
    result = arena.run(attack)
    assert result.outcome is Outcome.HELD, result.findings or result.error


def test_without_the_browser_wall_the_browser_is_reached():
    """The same cells, the same jail, one wall less: so it is that wall that holds them off."""
    trusting = Kernel(tier=Tier.FULL, extra=("--CodeRemoteKernel.trusted_output=True",))
    with Arena(trusting) as arena:
        results = [arena.run(attack) for attack in chosen(categories=[Category.BROWSER])]
    through = [result for result in results if result.outcome is Outcome.ESCAPED]
    assert len(through) >= 35
