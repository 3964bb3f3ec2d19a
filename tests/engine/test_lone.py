"""A row that is always refused holds nobody up, and fails in the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Container, Mapping
from contextlib import AbstractAsyncContextManager
from random import Random

import msgspec
import pytest

from brim.config import Limits
from brim.engine.lane import Settings
from brim.protocols import WireRequest, WireResponse
from brim.transport import Phases, Stream
from brim.transport.scripted import Answers
from brim.values import Failure, FailureKind, Reply
from engine.support import Played, ask, play, reply

Refuses = Callable[[bytes, float], float | None]
"""By the body and the time: the wait to ask for, None to answer."""


class Server:
    """Answers at once, or refuses; counts what it refused, and when it answered last."""

    def __init__(self, refuses: Refuses, headers: Mapping[str, str] | None = None, *, names_wait: bool = True) -> None:
        self._refuses = refuses
        self._headers = headers or {}
        self._names_wait = names_wait
        self.refused: Counter[bytes] = Counter()
        self.last_at = 0.0

    async def exchange(self, request: WireRequest, phases: Phases) -> WireResponse:
        now = asyncio.get_running_loop().time()
        wait = self._refuses(request.body, now)
        if wait is None:
            self.last_at = now
            answer = reply(after=0.05)
        else:
            self.refused[request.body] += 1
            body = msgspec.json.encode({"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}})
            named = {"retry-after": f"{wait:g}"} if self._names_wait else {}
            answer = Answers(status=429, headers=named, body=body, after=0.005)
        headers = {**answer.headers, **self._headers}
        return await msgspec.structs.replace(answer, headers=headers).play(phases)

    def open(self, request: WireRequest, phases: Phases) -> AbstractAsyncContextManager[Stream]:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing is open."""


def run(
    server: Server, rows: int, limits: Limits | None = None, *, bad: str = "bad", at: Container[int] = (5,)
) -> Played:
    asked = [ask(number, f"{bad} {number}" if number in at else f"row {number}") for number in range(rows)]
    return play(server, asked, Settings(limits=limits or Limits(), seed=1))


def failures(played: Played) -> list[tuple[int, Failure]]:
    assert not played.left
    return [(each.request.position, each.outcome) for each in played.recorded if not isinstance(each.outcome, Reply)]


@pytest.mark.parametrize(
    ("limits", "names_wait", "last_s"),
    [(Limits(), True, 10.0), (Limits(requests_per_minute=600), True, 25.0), (Limits(), False, 6.0)],
)
def test_a_row_that_is_always_refused_holds_nobody_up(limits: Limits, last_s: float, *, names_wait: bool) -> None:
    """
    All others are answered within seconds; it is asked ever more seldom, and fails with how often it was refused.
    """
    server = Server(lambda body, _: 1.0 if b"bad" in body else None, names_wait=names_wait)
    played = run(server, 200, limits)
    [(position, failure)] = failures(played)
    assert (position, failure.kind) == (5, FailureKind.INVALID)
    assert failure.message.startswith("refused ")
    assert failure.message.endswith("the last refusal: Rate limit reached")
    assert server.last_at < last_s
    assert [count for _, count in server.refused.items()] == [pytest.approx(9, abs=2)]
    assert 60.0 < played.ended_at < 300.0


@pytest.mark.parametrize(("bad", "last_s"), [(range(5, 300, 100), 15.0), (range(5, 300, 30), 100.0)])
def test_several_bad_rows_hold_nobody_up_either(bad: range, last_s: float) -> None:
    """
    Each of them is told from the others.
    """
    server = Server(lambda body, _: 1.0 if b"bad" in body else None)
    failed = failures(run(server, 500, at=bad))
    assert sorted(position for position, _ in failed) == list(bad)
    assert {failure.kind for _, failure in failed} == {FailureKind.INVALID}
    assert server.last_at < last_s


def test_a_row_larger_than_a_limit_that_is_shown_fails_at_once() -> None:
    """
    It was refused, and has more words than the limit has tokens: that is no rate to be kept to.
    """
    shown = {
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "900",
        "x-ratelimit-reset-tokens": "6s",
    }
    server = Server(lambda body, _: 2.0 if len(body) > 5_000 else None, shown)
    played = run(server, 60, bad="word " * 3_000)
    [(position, failure)] = failures(played)
    assert (position, failure.kind) == (5, FailureKind.TOO_LARGE)
    assert "tokens but the limit is 1,000 tokens, and the server refused it" in failure.message
    assert list(server.refused.values()) == [1]
    assert played.ended_at < 15.0


def test_an_estimate_fails_a_row_only_with_the_servers_own_word() -> None:
    """
    It may be more than the limit has; refused again, when it went first and alone after the wait, the row fails.
    """
    for real, count in ((3_000, 0), (3_600, 3)):
        server = Server(lambda _, __, real=real: 5.0 if real > 3_400 else None)  # type: ignore[misc] # a default
        played = run(server, 1, Limits(tokens_per_minute=3_400), bad="123456," * 1_000, at={0})
        kinds = [(failure.kind, failure.message) for _, failure in failures(played)]
        assert list(server.refused.values()) == [count][: len(kinds)]
        assert all(kind is FailureKind.TOO_LARGE and "the limit is 3,400 tokens" in words for kind, words in kinds)
        assert len(kinds) == (count > 0)


@pytest.mark.parametrize("share", [0.3, 0.6])
@pytest.mark.parametrize("names_wait", [True, False])
def test_a_server_that_refuses_at_random_fails_no_row(share: float, *, names_wait: bool) -> None:
    """
    Where so many are refused, some are refused again and again, the last ones too.
    """
    for seed in range(10):
        chance = Random(seed)
        server = Server(lambda *_, chance=chance: 1.0 if chance.random() < share else None, names_wait=names_wait)
        assert failures(run(server, 200)) == []


class TokenBucket:
    """Refills 200 tokens a second up to *burst*; a row takes a quarter of its bytes. Asks to wait for the rest."""

    def __init__(self, burst: float) -> None:
        self._burst = self._level = burst
        self._at = 0.0

    def __call__(self, body: bytes, now: float) -> float | None:
        self._level = min(self._burst, self._level + 200.0 * (now - self._at))
        self._at = now
        if self._level < (cost := len(body) / 4):
            return (cost - self._level) // 200 + 1
        self._level -= cost
        return None


def test_a_row_larger_than_the_servers_burst_holds_nobody_up_for_long() -> None:
    """
    Nobody is told of the burst; the server's wait is kept by all twice, and then by the row alone.
    """
    server = Server(TokenBucket(2_000.0))
    played = run(server, 100, Limits(tokens_per_minute=12_000), bad="word " * 2_500)
    [(position, failure)] = failures(played)
    assert (position, failure.kind) == (5, FailureKind.INVALID)
    assert server.last_at < 45.0


@pytest.mark.parametrize("names_wait", [True, False])
def test_a_large_row_that_fits_gets_its_turn(*, names_wait: bool) -> None:
    """
    Small ones take what flows in; whatever it is refused, the large one is answered.
    """
    played = run(Server(TokenBucket(4_000.0), names_wait=names_wait), 2_000, bad="word " * 2_500)
    assert failures(played) == []
