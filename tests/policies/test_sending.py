"""What was sent by when, with what is refused taken out again."""

from __future__ import annotations

from brim.policies.sending import Sending


def sent(*times: float) -> Sending:
    """One attempt at each of these times, from the first refusal at 0 on."""
    sending = Sending(-1.0, ((-0.5,), (3.0,)))
    sending.opened(5.0, 0.0)
    for number, at in enumerate(times, start=6):
        sending.saw(float(number), at)
    return sending


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
