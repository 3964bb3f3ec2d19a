"""Which limit refuses where words do not say."""

from __future__ import annotations

from random import Random

import pytest

from brim.policies.unnamed import Unnamed


def test_large_calls_that_are_refused_tell_a_limit_of_tokens() -> None:
    """
    Small ones still fit where large ones do not: after eight that were larger than most around them it is known.
    """
    unnamed, rng = Unnamed(), Random(1)
    sizes = [rng.lognormvariate(6.0, 1.2) for _ in range(200)]
    told = []
    for number, size in enumerate(sizes, start=1):
        unnamed.took(size)
        if number % 20 == 0:
            unnamed.refused(5_000.0 + number, number)
        told.append(unnamed.is_tokens)

    assert told.index(True) == 8 * 20 + 16 - 1


@pytest.mark.parametrize("seed", range(20))
def test_whichever_comes_is_refused_by_a_limit_of_calls(seed: int) -> None:
    """
    Forty refusals of random calls.
    """
    unnamed, rng = Unnamed(), Random(seed)
    for number in range(1, 401):
        size = rng.lognormvariate(6.0, 1.2)
        unnamed.took(size)
        if number % 10 == 0:
            unnamed.refused(size, number)

    assert not unnamed.is_tokens


def test_rows_in_the_order_of_their_length_tell_nothing() -> None:
    """
    Each that is refused is larger than all before it, and smaller than all after it.
    """
    unnamed = Unnamed()
    for number in range(1, 401):
        unnamed.took(10.0 * number)
        if number % 10 == 0:
            unnamed.refused(10.0 * number, number)

    assert not unnamed.is_tokens


def test_calls_of_one_size_and_one_that_comes_again_and_again_tell_nothing() -> None:
    """
    A large row that is refused fifty times is one large row; and a few tokens more are nothing.
    """
    unnamed = Unnamed()
    for number in range(1, 401):
        unnamed.took(100.0)
        if number % 8 == 0:
            unnamed.refused(9_000.0 if number < 200 else 100.0 + number % 3, number)

    assert not unnamed.is_tokens
