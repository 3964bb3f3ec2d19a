"""The corpus: real-shaped answers of every provider, and what each of them means, one case a line."""

from __future__ import annotations

from typing import Any

import pytest

from brim.values import Failure, FailureKind, FinishReason, Reply, Usage
from protocols.cases import CASES, DIALECTS, Case


def failures() -> list[Any]:
    return [pytest.param(case, id=f"{case.provider}-{case.name}") for case in CASES if "kind" in case.expect]


def replies() -> list[Any]:
    return [pytest.param(case, id=f"{case.provider}-{case.name}") for case in CASES if "kind" not in case.expect]


@pytest.mark.parametrize("case", failures())
def test_tells_what_a_failure_means(case: Case) -> None:
    """
    Each bad answer has its one kind, its wait (none unless the corpus says so), and the code that says why.
    """
    outcome = case.decode()

    assert isinstance(outcome, Failure)
    assert FailureKind(case.expect["kind"]) is outcome.kind
    assert case.expect.get("retry_after") == pytest.approx(outcome.retry_after)
    assert case.status == outcome.status
    assert usage_of(case) == outcome.usage
    for field in ("code", "message", "request_id"):
        assert case.expect.get(field, getattr(outcome, field)) == getattr(outcome, field)


@pytest.mark.parametrize("case", replies())
def test_reads_an_answer(case: Case) -> None:
    """
    Each good answer gives its text, why it ended, its tool calls and its usage, normalised.
    """
    outcome = case.decode()

    assert isinstance(outcome, Reply)
    assert case.expect["text"] == outcome.text
    assert FinishReason(case.expect["finish_reason"]) is outcome.finish_reason
    assert case.expect.get("tool_calls", []) == list(outcome.tool_calls)
    if "usage" in case.expect or "no_usage" in case.expect:
        assert usage_of(case) == outcome.usage
    for field in ("model", "request_id"):
        assert case.expect.get(field, getattr(outcome, field)) == getattr(outcome, field)


def usage_of(case: Case) -> Usage | None:
    return Usage(**case.expect["usage"]) if "usage" in case.expect else None


def test_the_corpus_is_broad() -> None:
    """
    Every kind a decoder can give is in the corpus, for every dialect there is an answer and a failure, and no name
    stands twice.
    """
    # The engine's, not a dialect's.
    ours = {
        FailureKind.TIMEOUT,
        FailureKind.CONNECTION,
        FailureKind.BUDGET,
        FailureKind.SAME_FAULT,
        FailureKind.STOPPED,
    }
    names = [(case.provider, case.name) for case in CASES]

    assert len(CASES) >= 300
    assert set(FailureKind) - ours == {FailureKind(case.expect["kind"]) for case in CASES if "kind" in case.expect}
    assert {(name, good) for name in DIALECTS for good in (True, False)} == {
        (case.dialect, "kind" not in case.expect) for case in CASES
    }
    assert len(set(names)) == len(names)
