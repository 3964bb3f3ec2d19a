"""When the server looked: at the admission of a call or at its answer, whichever makes what it shows foreseeable."""

from __future__ import annotations

from random import Random

import pytest

from brim.policies.moment import Moment


@pytest.mark.parametrize("is_late", [True, False])
def test_the_moment_under_which_answers_do_not_surprise_is_believed(*, is_late: bool) -> None:
    """
    Sending is uneven, answers take five seconds, the refill is even: only under the right moment does all add up.
    """
    rng, moment, rate, latency = Random(1), Moment(), 5.0, 5.0
    sent = [0.0]
    for _ in range(400):
        sent.append(sent[-1] + rng.choice([0.0, 1.0, 2.0, 15.0]))
    for step in range(len(sent) - round(latency)):
        sent_at, now = float(step), step + latency
        total = sent[step + round(latency)]
        seen_at, seen_sent = (now, total) if is_late else (sent_at, sent[step])
        moment.weigh(
            1_000.0 + rate * seen_at - seen_sent,
            sent_at=sent_at,
            sent=sent[step],
            now=now,
            total=total,
            given_back=lambda at: rate * at,
            least=1.0,
        )

    assert moment.is_late is is_late


def test_answers_out_of_order_say_nothing() -> None:
    """
    An answer to an earlier attempt than the last one weighed is not weighed.
    """
    moment = Moment()
    for sent_at, now, total in ((10.0, 11.0, 0.0), (5.0, 20.0, 500.0), (6.0, 30.0, 900.0)):
        moment.weigh(100.0, sent_at=sent_at, sent=0.0, now=now, total=total, given_back=lambda _: 0.0, least=1.0)

    assert not moment.is_late
