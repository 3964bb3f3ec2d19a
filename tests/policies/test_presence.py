"""Who was at the server at once, of those that were refused and those that were answered."""

from __future__ import annotations

import pytest

from brim.policies.presence import Presence


def test_what_was_refused_is_gone_from_those_that_were_sent_with_it() -> None:
    """Those that were back before, or were sent later, never were beside it."""
    presence = Presence()
    for sent_at, now in [(1.0, 1.5), (1.0, 3.0), (2.0, 3.0), (4.0, 5.0)]:
        presence.refused(sent_at, now)

    assert [presence.gone(at) for at in (0.5, 1.0, 2.0, 3.5, 4.5)] == [0, 2, 2, 0, 1]


def test_what_was_sent_later_and_refused_is_on_the_wire_no_more() -> None:
    """However it was sent, and whatever came back first."""
    presence = Presence()
    for sent_at, now in [(1.0, 1.5), (1.0, 3.0), (2.0, 2.5)]:
        presence.refused(sent_at, now)

    assert [presence.refused_since(at) for at in (0.5, 1.0, 1.5, 2.0)] == [3, 1, 1, 0]


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ([(0.0, 10.0), (2.0, 12.0), (4.0, 14.0)], [1, 2, 3]),
        ([(4.0, 14.0), (2.0, 15.0), (0.0, 16.0)], [1, 2, 3]),
        ([(0.0, 2.5), (2.0, 12.0)], [1, 1]),
        ([(0.0, 2.0), (2.0, 4.0), (4.0, 6.0)], [1, 1, 1]),
        ([(0.0, 0.5)], [0]),
    ],
    ids=["in order", "the last sent came first", "under way by then", "one after the other", "too short to say"],
)
def test_answers_that_overlap_by_more_than_they_are_late_were_there_at_once(
    answers: list[tuple[float, float]], found: list[int]
) -> None:
    """An answer is late by a second at most."""
    presence = Presence()

    seen = []
    for sent_at, now in answers:
        presence.answered(sent_at, now, late_s=1.0)
        seen.append(presence.lately)
    assert seen == found


def test_what_overlapped_long_ago_is_forgotten() -> None:
    """After sixteen answers that came one by one: a cap may have been lowered."""
    presence = Presence()
    for number in range(4):
        presence.answered(float(number), 10.0 + number, late_s=1.0)
    assert presence.lately == 4
    for number in range(16):
        presence.answered(20.0 + 5.0 * number, 24.0 + 5.0 * number, late_s=1.0)
    assert presence.lately == 1
