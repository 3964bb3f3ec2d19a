"""What was sent by when, with what is refused taken out again."""

from __future__ import annotations

from brim.policies.sending import Sending


def sent(*times: float) -> Sending:
    """One attempt at each of these times, from the first refusal at 0 on."""
    sending = Sending(-2.0, ((-1.0, -0.5), (0.0, 3.0)))
    sending.opened(5.0, 0.0)
    for number, at in enumerate(times, start=6):
        sending.saw(float(number), at)
    return sending


def opening(*samples: tuple[float, float], refused_at: float, passed: float) -> list[tuple[float, float]]:
    """What is left of *samples* when the first is refused."""
    sending = Sending(0.0, ([at for at, _ in samples], [by_then for _, by_then in samples]))
    sending.opened(passed, refused_at)
    return sending.opening


def test_what_was_sent_before_a_long_rest_is_not_part_of_the_opening() -> None:
    """
    Two a minute for an hour, then a burst: the hour says nothing of how fast a limit is.
    """
    sparse = [(30.0 * number, float(number)) for number in range(120)]
    burst = [(3_600.0, 120.0), (3_601.0, 220.0)]

    assert opening(*sparse, *burst, refused_at=3_602.0, passed=420.0) == [
        (3_600.0, 0.0),
        (3_601.0, 100.0),
        (3_602.0, 300.0),
    ]


def test_a_ramp_belongs_to_the_opening() -> None:
    """
    That little was sent in the first seconds is no rest: a window may have begun with them.
    """
    ramp = [(float(second), 2.0**second - 1.0) for second in range(8)]

    assert opening(*ramp, refused_at=7.5, passed=200.0)[0] == (0.0, 0.0)


def test_what_was_refused_had_not_passed() -> None:
    """
    One sent at 2 s was refused: from then on one less had passed; before that nothing changes.
    """
    sending = sent(1.0, 2.0, 3.0)
    sending.took_back(1.0, 2.0)

    assert [sending.passed_by(at, 99.0) for at in (1.5, 2.5, 3.5)] == [6.0, 6.0, 7.0]
    assert sending.opening == [(-1.0, 0.0), (-0.5, 3.0), (0.0, 5.0)]


def test_a_volley_is_refused_out_of_the_opening() -> None:
    """
    Those that are back after the first refusal were sent before it: less had passed when it began.
    """
    sending = sent(1.0)
    sending.took_back(1.0, -0.5)

    assert sending.opening == [(-1.0, 0.0), (-0.5, 2.0), (0.0, 4.0)]
    assert sending.passed_by(2.0, 99.0) == 5.0


def test_the_latest_is_known_whatever_is_kept() -> None:
    """
    A thousand in a second leave a few samples, and the last of them is known all the same.
    """
    sending = sent(*(1.0 + number / 1_000.0 for number in range(1_000)))

    assert len(sending.samples) <= 64
    assert sending.samples[-1] == (1.999, 1_005.0)
    assert sending.since(1.9)[0][0] >= 1.9
    sending.forget(1.9)
    assert sending.recent[0][0] > 1.9


def test_memory_is_bounded() -> None:
    """
    What is long ago is known roughly, what is recent closely.
    """
    sending = sent(*(float(number) for number in range(1, 5_000)))

    assert len(sending.samples) <= 129
    assert sending.passed_by(4_990.0, 0.0) == 4_995.0
