"""When the server looked: at the admission of a call, at its answer, or before, whichever makes answers foreseeable."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from brim.policies.moment import Course, Moment

RATE, LATENCY = 5.0, 5


def weigh(
    moment: Moment, course: Course, remaining: float, *, sent_by: Callable[[float], float] = lambda _: 0.0
) -> bool:
    """An answer of a bucket of a thousand."""
    return moment.weigh(
        remaining,
        course,
        sent_by=sent_by,
        given_back=lambda at: RATE * at,
        least=1.0,
        cap=1_000.0,
        rate=RATE,
    )


@pytest.mark.parametrize("lag", [0, 2, 5, 15])
@pytest.mark.parametrize("is_late", [True, False])
def test_the_moment_under_which_answers_do_not_surprise_is_believed(*, is_late: bool, lag: int) -> None:
    """
    Sending is uneven, answers take five seconds, the refill is even: only under the right moment does all add up.
    """
    rng, moment = Random(1), Moment()
    sent = [0.0]
    for _ in range(400):
        sent.append(sent[-1] + rng.choice([0.0, 1.0, 2.0, 15.0]))

    def sent_by(at: float) -> float:
        return sent[max(0, round(at))]

    for step in range(15, len(sent) - LATENCY):
        course = Course(float(step), sent[step], float(step + LATENCY), sent[step + LATENCY])
        seen_at = (course.now if is_late else course.sent_at) - lag
        weigh(moment, course, 500.0 + RATE * seen_at - sent_by(seen_at), sent_by=sent_by)

    # An answer that took five seconds and shows what was there five seconds ago is one that shows its admission.
    assert moment.of(Course(100.0, 0.0, 105.0, 0.0)) == (105.0 if is_late else 100.0) - lag


@pytest.mark.parametrize("may_lag", [True, False])
def test_a_window_that_nobody_knows_yet_does_not_hide_the_lag(*, may_lag: bool) -> None:
    """
    Nothing comes back before the window is over, whatever is thought: what was sent two seconds ago explains it all,
    unless it is counted later anyway.
    """
    moment = Moment(may_lag=may_lag)

    def sent_by(at: float) -> float:
        return 400.0 - 400.0 * float(0.9 ** max(0.0, at))

    for step in range(1, 40):
        at = step / 2
        weigh(moment, Course(at, sent_by(at), at, sent_by(at)), 800.0 - sent_by(at - 2.0), sent_by=sent_by)

    assert moment.lag == (2.0 if may_lag else 0.0)


def test_what_is_sent_evenly_says_nothing() -> None:
    """
    Under every moment the same is foretold, so the present one stays.
    """
    moment = Moment()
    for step in range(100):
        course = Course(float(step), RATE * step, float(step + LATENCY), RATE * (step + LATENCY))
        weigh(moment, course, 100.0, sent_by=lambda at: RATE * at)

    assert (moment.is_late, moment.lag) == (False, 0.0)


def test_what_was_sent_by_the_moment_is_told() -> None:
    """
    At the admission, at the answer, or some time before, as is believed.
    """
    moment, course = Moment(), Course(10.0, 50.0, 15.0, 75.0)

    assert moment.sent(course, lambda at: at) == 50.0
    moment.is_late = True
    assert moment.sent(course, lambda at: at) == 75.0
    moment.lag = 2.0
    assert moment.sent(course, lambda at: at) == 13.0


def test_answers_out_of_order_say_nothing() -> None:
    """
    An answer to an earlier attempt than the last one weighed is not weighed.
    """
    moment = Moment()
    for sent_at, now, total in ((10.0, 11.0, 0.0), (5.0, 20.0, 500.0), (6.0, 30.0, 900.0)):
        weigh(moment, Course(sent_at, 0.0, now, total), 100.0)

    assert not moment.is_late


def test_what_counts_when_it_is_over_is_told_from_what_counts_when_it_is_sent() -> None:
    """
    Calls of very different lengths: only without those that are under way does all add up.
    """
    rng, moment = Random(2), Moment(may_lag=False)
    calls = sorted((step + 0.5 + rng.expovariate(0.2), float(step), 10.0) for step in range(300))

    for number, (end, begin, tokens) in enumerate(calls[:250]):
        ended = tokens * (number + 1)
        course = Course(begin, tokens * (begin + 1), end, tokens * int(end + 1), ended)
        weigh(moment, course, 500.0 + RATE * end - ended)

    assert moment.is_late
    assert moment.is_over


def test_one_comparison_of_a_limit_of_few_calls_proves_no_lag() -> None:
    """
    A window of a second that began unseen gave back all of eight calls: so much may come of a look that is old, too.
    """
    moment = Moment()
    for course, left in ((Course(0.0, 6.0, 0.5, 9.0), 6.0), (Course(1.5, 10.0, 2.0, 10.0), 7.0)):
        moment.weigh(
            left,
            course,
            sent_by=lambda at: 9.0 * (at > 0.0),
            given_back=lambda at: at * 8.0 / 60.0,
            least=1.0,
            cap=8.0,
            rate=8.0 / 60.0,
        )

    assert moment.lag == 0.0
