"""Stopping when the first rows all fail alike, and only then."""

from __future__ import annotations

from brim.policies.same_fault import FIRST, SameFault
from brim.values import Failure, FailureKind, Outcome, Reply


def invalid(code: str = "unknown_parameter") -> Failure:
    return Failure(kind=FailureKind.INVALID, message=f"no {code}", status=400, code=code)


def verdicts(*outcomes: Outcome) -> list[bool]:
    watch = SameFault()
    return [watch.ended(outcome) is not None for outcome in outcomes]


def test_parks_when_the_first_rows_all_fail_alike() -> None:
    """
    At the 25th row refused in the same way, with what the provider said.
    """
    watch = SameFault()
    told = [watch.ended(invalid()) for _ in range(FIRST)]

    assert told[:-1] == [None] * (FIRST - 1)
    assert told[-1] is not None
    assert told[-1].kind is FailureKind.SAME_FAULT
    assert told[-1].message.endswith("nothing more was sent: no unknown_parameter")


def test_one_answer_settles_the_question() -> None:
    """
    A single reply among the first rows, and bad ones later are just bad rows.
    """
    assert not any(verdicts(*[invalid()] * 10, Reply(text=""), *[invalid()] * 100))


def test_different_faults_are_different_rows() -> None:
    """
    Rows that fail in different ways are the rows' own trouble.
    """
    assert not any(verdicts(*[invalid("a"), invalid("b")] * 50))


def test_only_invalid_requests_count() -> None:
    """
    A server that is down says nothing about the command.
    """
    assert not any(verdicts(*[Failure(kind=FailureKind.SERVER, message="down", status=500)] * 100))
