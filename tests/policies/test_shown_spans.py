"""For how long limits are that headers show, where what is stated tells."""

from __future__ import annotations

import pytest

from brim.config import Limits, Window
from brim.policies.past import Past
from brim.policies.shown_spans import ShownSpans
from brim.policies.stated import state_rates
from brim.values import Dimension, LimitLevel


def read(limits: Limits, *looks: LimitLevel, sent: float = 100.0) -> list[float | None]:
    """For how long each of *looks* is where *limits* are stated, and so many calls were *sent* at once a second ago."""
    totals = [0.0] * 4
    past = Past(totals, 0.0)
    spans, stated = ShownSpans(), state_rates(limits, 0.0, past=past)
    past.note(9.0)
    totals[0] = sent
    return [spans.read(each, stated, past=past, now=10.0).period_s for each in looks]


def shown(limit: float, remaining: float, reset_in: float | None = None) -> LimitLevel:
    """A limit of requests under a name that means a minute."""
    return LimitLevel(Dimension.REQUESTS, limit=limit, remaining=remaining, reset_in=reset_in)


def test_the_number_that_is_stated_is_for_as_long_as_it_is_stated() -> None:
    """
    Once that is known it holds, whatever number is shown later.
    """
    fifty = Limits(windows=(Window(requests=50, seconds=5.0),))

    assert read(fifty, shown(50.0, 49.0), shown(25.0, 24.0)) == [5.0, 5.0]
    assert read(fifty, shown(60.0, 49.0)) == [60.0]


@pytest.mark.parametrize(
    ("limit", "remaining", "reset_in", "span"),
    [
        (50.0, 10.0, 0.9, 1.0),
        (50.0, 10.0, 40.0, 60.0),  # that is when a minute's limit would be back
        (50.0, 49.0, 0.9, 60.0),  # which one is back as soon as that
        (50.0, 10.0, None, 60.0),
        (70.0, 10.0, 0.9, 60.0),  # 1.4 seconds are no length that anybody chooses
        (3_000.0, 10.0, 0.9, 60.0),  # the same
    ],
)
def test_a_stated_rate_may_be_shown_by_the_second(
    limit: float, remaining: float, reset_in: float | None, span: float
) -> None:
    """
    Three thousand a minute are fifty a second, if what is shown is back sooner than a minute's limit would be.
    """
    assert read(Limits(requests_per_minute=3_000), shown(limit, remaining, reset_in)) == [span]


def test_a_day_s_limit_stays_a_day_s() -> None:
    """
    A thousand a minute are stated, and the server shows a thousand under a name that means a day.
    """
    day = LimitLevel(Dimension.REQUESTS, limit=1_000.0, remaining=900.0, reset_in=3_600.0, period_s=86_400.0)

    assert read(Limits(requests_per_minute=1_000), day) == [86_400.0]


@pytest.mark.parametrize(("sent", "span"), [(10.0, 60.0), (40.0, 1.0)])
def test_what_others_or_a_small_bucket_left_out_is_no_window_of_ours(sent: float, span: float) -> None:
    """
    Three thousand a minute are stated, and a bucket of ten that gives fifty a minute shows ten of fifty left at once.
    """
    assert read(Limits(requests_per_minute=3_000), shown(50.0, 10.0, 0.9), sent=sent) == [span]
