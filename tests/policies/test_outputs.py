"""Answers still waited for say that they are long."""

from __future__ import annotations

from random import Random
from statistics import mean

import pytest

from brim.policies.outputs import Outputs


def lengths(count: int, *, seed: int) -> list[float]:
    rng = Random(seed)
    return [rng.lognormvariate(5.0, 1.0) for _ in range(count)]


def watched(tokens: list[float], *, until: float, gap: float, per_s: float = 60.0) -> Outputs:
    """One call each *gap* seconds, and what is known *until* then of their answers."""
    outputs = Outputs()
    went = [(gap * place, "went", place) for place in range(len(tokens))]
    ended = [(gap * place + 0.5 + made / per_s, "ended", place) for place, made in enumerate(tokens)]
    for at, what, place in sorted(went + ended):
        if at > until:
            break
        if what == "went":
            outputs.took(float(place), 100.0, None, at)
        else:
            outputs.ended(float(place), tokens[place], at)
    return outputs


def test_the_first_answers_are_not_taken_for_all() -> None:
    """
    A hundred and twenty calls went at once. The answers that are there after two seconds are a quarter as long as all.
    """
    found = [watched(lengths(120, seed=seed), until=2.0, gap=0.0).mean for seed in range(20)]
    true = mean(mean(lengths(120, seed=seed)) for seed in range(20))
    early = mean(made for seed in range(20) for made in lengths(120, seed=seed) if 0.5 + made / 60.0 <= 2.0)

    assert early < 0.3 * true
    assert mean(each for each in found if each is not None) == pytest.approx(true, rel=0.35)


def test_at_an_even_pace_the_mean_is_that_of_all() -> None:
    found = [watched(lengths(600, seed=seed), until=120.0, gap=0.2).mean for seed in range(20)]
    true = mean(mean(lengths(600, seed=seed)) for seed in range(20))

    assert mean(each for each in found if each is not None) == pytest.approx(true, rel=0.1)


def test_what_is_under_way_is_longer_than_the_mean() -> None:
    """Long answers are those that are waited for: what is under way is more than the mean of each."""
    will, made = [], []
    for seed in range(20):
        tokens = lengths(400, seed=seed)
        outputs = watched(tokens, until=60.0, gap=0.2)
        will.append(outputs.held + outputs.more)
        ends = [(0.2 * place, 0.2 * place + 0.5 + each / 60.0, each) for place, each in enumerate(tokens)]
        made.append(sum(each for went, end, each in ends if went <= 60.0 < end))

    assert mean(will) == pytest.approx(mean(made), rel=0.15)


def test_all_that_is_over_leaves_nothing() -> None:
    outputs = Outputs()
    for number in range(5):
        outputs.took(float(number), 256.0, 1_000, float(number))
    outputs.ended(0.0, 10.0, 6.0)
    assert outputs.held == 4 * 256.0
    assert outputs.more != 0.0
    for number in range(1, 5):
        outputs.ended(float(number), None, 7.0)
    outputs.ended(3.0, 500.0, 8.0)  # is over already

    assert (outputs.held, outputs.more) == (0.0, 0.0)


def test_nobody_makes_more_than_the_cap() -> None:
    outputs = Outputs()
    outputs.took(1.0, 100.0, 150, 0.0)
    outputs.took(2.0, 100.0, 5_000, 0.0)
    outputs.ended(2.0, 100.0, 1.0)
    outputs.took(3.0, 100.0, 150, 1.0)
    outputs.ended(3.0, 100.0, 300.0)

    assert outputs.held + outputs.more <= 150.0


def test_one_that_hangs_is_forgotten() -> None:
    """Of 400 calls one never ends. It says something for as long as it is one of the latest."""
    outputs = Outputs()
    outputs.took(0.0, 100.0, None, 0.0)
    for number in range(1, 400):
        outputs.took(float(number), 100.0, None, float(number))
        outputs.ended(float(number), 100.0, number + 0.5)

    assert outputs.mean == pytest.approx(100.0)
