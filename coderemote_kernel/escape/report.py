"""What was found, as a table for people and as JSON for machines."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from .attack import Category, Outcome, Tier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .session import Result

__all__ = ["as_json", "as_table", "expectations", "unexpected"]


def unexpected(results: Sequence[Result], tier: Tier) -> list[Result]:
    """Return the results that are not what the tier promises."""
    return [
        result
        for result in results
        if result.outcome is not Outcome.HELD
        and (result.attack.holds_in(tier) or result.outcome is not Outcome.ESCAPED)
    ]


def as_table(results: Sequence[Result], tier: Tier, *, stock: bool) -> str:
    """Return the table: a row a category, then what went wrong, then the verdict."""
    columns = list(Outcome)
    lines = [f"{'category':<14}{'attacks':>8}" + "".join(f"{column:>9}" for column in columns)]
    for category in Category:
        row = [result for result in results if result.attack.category is category]
        if row:
            lines.append(_row(category, row, columns))
    lines.append(_row("all", list(results), columns))
    lines += [_sentence(result) for result in results if result.outcome is not Outcome.HELD]
    lines.append(_verdict(results, tier, stock=stock))
    return "\n".join(lines)


def _row(name: str, row: list[Result], columns: list[Outcome]) -> str:
    counts = Counter(result.outcome for result in row)
    return f"{name:<14}{len(row):>8}" + "".join(f"{counts[column]:>9}" for column in columns)


def _sentence(result: Result) -> str:
    why = "; ".join(result.findings[:4]) or result.error or "no sign of an attempt"
    return f"{result.outcome:>8}  {result.attack.id}: {result.attack.title} ({why})"


def _verdict(results: Sequence[Result], tier: Tier, *, stock: bool) -> str:
    if stock:
        through = sum(result.outcome is Outcome.ESCAPED for result in results)
        return f"Stock ipykernel has no walls: {through} of {len(results)} attacks got through."
    wrong = unexpected(results, tier)
    replaced = sum(result.jail_replaced for result in results)
    if wrong:
        return f"NOT AS PROMISED in tier {tier}: {len(wrong)} of {len(results)} attacks."
    return (
        f"As promised in tier {tier}: {len(results)} attacks, none got out;"
        f" the jail was replaced {replaced} times and the kernel lived."
    )


def as_json(results: Sequence[Result], tier: Tier, *, stock: bool) -> str:
    """Return everything as one JSON object."""
    wrong = {id(result) for result in unexpected(results, tier)}
    attacks: list[dict[str, Any]] = [
        {
            "id": result.attack.id,
            "category": result.attack.category,
            "title": result.attack.title,
            "outcome": result.outcome,
            "expected": id(result) not in wrong,
            "findings": result.findings,
            "error": result.error,
            "jail_replaced": result.jail_replaced,
            "seconds": round(result.seconds, 3),
        }
        for result in results
    ]
    kernel = "python3" if stock else "coderemote"
    passed = not wrong or stock
    return json.dumps(
        {"kernel": kernel, "tier": tier, "passed": passed, "attacks": attacks}, indent=2
    )


def expectations() -> str:
    """Return, a line an attack, in which tiers it is expected to be held off."""
    from .catalogue import ATTACKS

    lines = []
    for attack in ATTACKS:
        tiers = ", ".join(tier for tier in Tier if attack.holds_in(tier)) or "none"
        lines.append(f"{attack.id:<36}{attack.title:<70} {tiers}")
    return "\n".join(lines)
