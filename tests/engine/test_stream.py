"""Bulk answers read in pieces, on virtual time: the same results, with clocks that see whether the far end writes."""

from __future__ import annotations

import pytest

from brim.config import Endpoint, Timeouts
from brim.engine.lane import Lane, Settings
from brim.engine.path import fulfil
from brim.errors import ConfigError
from brim.protocols import WireResponse
from brim.protocols.openai import OpenAIChat
from brim.simulator.clock import run_virtual
from brim.transport import Phase
from brim.transport.scripted import Breaks, Hangs, Scripted, Streams
from brim.values import Failure, FailureKind, Outcome, Request, Sent, Usage
from engine.streams import DONE, ENDING, FAULT, said, streamed, words
from engine.support import ask, open_lane, play, play_one, refusal, reply


def test_a_streamed_answer_is_the_same_result() -> None:
    """
    Text, usage and fingerprint are those of the plain answer; only the request asks for a stream, and its connection.
    """
    plain_end, streamed_end = Scripted(reply("one two")), Scripted(words("one ", "two"))

    plain = play_one(plain_end)
    result = play_one(streamed_end, streamed())

    assert (result.text, result.fingerprint) == (plain.text, plain.fingerprint)
    assert result.reply is not None
    assert result.reply.usage == Usage(input_tokens=10, output_tokens=5)
    assert result.latency_s == 2.0
    assert b'"stream":true' in streamed_end.bodies[0]
    assert b'"stream"' not in plain_end.bodies[0]
    # llama.cpp closes a connection after a stream although it announced to keep it.
    assert streamed_end.requests[0].headers["connection"] == "close"
    assert "connection" not in plain_end.requests[0].headers


CLOCKS = Timeouts(first=5.0, silence=7.0, total=60.0)
KEEP_ALIVE = b": still there\n\n"


@pytest.mark.parametrize(
    ("step", "clock", "at"),
    [
        (Hangs(phase=Phase.SENT), "5 s (waiting for the answer to begin)", 5.0),
        (Hangs(phase=Phase.ANSWERING), "5 s (waiting for the answer to begin)", 5.0),
        (Streams(chunks=[(1.0, KEEP_ALIVE)] * 100), "5 s (waiting for the answer to begin)", 5.0),
        (Streams(chunks=[(1.0, said(""))] * 100), "5 s (waiting for the answer to begin)", 5.0),
        (words("a", "b", every=3.0, ending=b"", end=Hangs()), "7 s (silence within the answer)", 13.0),
        (Streams(chunks=[(4.9, said("a")), (6.9, said("b"))], end=Hangs()), "7 s (silence within the answer)", 18.8),
        (words(*["a"] * 100), "60 s (the whole attempt)", 60.0),
        (Streams(chunks=[(1.0, said(None, reasoning="hm"))] * 100), "60 s (the whole attempt)", 60.0),
        (Streams(chunks=[(1.0, said(None, tool_calls=[{"index": 0}]))] * 100), "60 s (the whole attempt)", 60.0),
    ],
    ids=["no-head", "no-byte", "keep-alives", "empty", "silent", "late", "drip", "reasoning", "tool"],
)
def test_each_clock_runs_out_at_its_own_time(step: Streams | Hangs, clock: str, at: float) -> None:
    """
    A keep-alive is no beginning, reasoning and a tool's arguments are; silence and total hold for the rest.
    """
    far_end = Scripted(then=step)

    result = play_one(far_end, streamed(CLOCKS, max_timeouts=1, max_attempts=1))

    failure = result.failure
    assert failure is not None
    assert (failure.kind, failure.message) == (FailureKind.TIMEOUT, f"timed out after {clock}")
    assert result.latency_s == pytest.approx(at)
    assert far_end.under_way == 0


def test_the_first_clock_holds_for_plain_answers_too() -> None:
    """
    The first byte of a plain answer must be there in time; what follows has the other clocks.
    """
    once = Settings(max_attempts=1, max_timeouts=1, timeouts=Timeouts(first=5.0))

    late = play_one(Scripted(reply(after=5.1)), once)
    slow = play_one(Scripted(Streams(chunks=[(4.9, b" "), (20.0, reply().body)])), once)

    assert late.failure is not None
    assert late.failure.message == "timed out after 5 s (waiting for the answer to begin)"
    assert slow.text == "ok"


def test_a_short_silence_is_noticed_in_time_however_late_it_begins() -> None:
    """
    The silence clock starts with the answer, not with the request.
    """
    step = Streams(chunks=[(44.0, said("a"))], end=Hangs())

    result = play_one(Scripted(then=step), streamed(Timeouts(silence=5.0, total=600.0), max_attempts=1))

    assert result.latency_s == 49.0


@pytest.mark.parametrize(
    ("first", "paid"),
    [
        (words("half", ending=b""), 1),
        (words("all", ending=said(finish="stop")), 1),
        (words("half", ending=FAULT + DONE), 0),
        (words("half", ending=b"", end=Breaks()), 1),
        (Breaks(phase=Phase.SENT), 1),
        (refusal(500), 0),
        (refusal(429, retry_after=3), 0),
    ],
    ids=["cut", "cut-after-finish", "error-then-done", "break", "no-head", "500", "429"],
)
def test_what_goes_wrong_is_sent_again(first: Streams | Breaks, paid: int) -> None:
    """
    A silent cut, an error frame before `[DONE]`, a break: none is an answer, and the next attempt brings it.
    """
    far_end = Scripted(first, words("whole"))

    result = play_one(far_end, streamed())

    assert (result.text, result.attempts + result.throttles, result.perhaps_paid) == ("whole", 2, paid)
    assert far_end.under_way == 0


def test_a_server_that_ignores_the_wish_is_understood() -> None:
    """
    A plain answer to a streamed request is an answer.
    """
    assert play_one(Scripted(reply("plain")), streamed()).text == "plain"


@pytest.mark.parametrize(
    ("step", "ended_at"),
    [
        (words("a", last=0.01), 1.01),
        (words("a", last=9.0), 1.05),
        (words("a", end=Hangs()), 1.05),
        (words("a", end=Breaks()), 1.0),
        (Streams(chunks=[(1.0, said("a") + ENDING), (0.02, b"\n"), (9.0, b"\n")]), 1.05),
    ],
    ids=["soon", "late", "never", "broken", "noise"],
)
def test_the_last_event_is_the_end_of_the_answer(step: Streams, ended_at: float) -> None:
    """
    What a server does with its connection after the last event costs an answer no more than a moment.
    """
    result = play_one(Scripted(step), streamed(Timeouts(first=2.0, silence=3.0, total=1.5)))

    assert result.text == "a"
    assert result.latency_s == pytest.approx(ended_at)


def test_an_answer_that_is_here_beats_a_clock_that_runs_out_with_it() -> None:
    """
    The total that ends while only the connection's end is awaited takes nothing away.
    """
    result = play_one(Scripted(words("a", end=Hangs())), streamed(Timeouts(total=1.02)))

    assert result.text == "a"
    assert result.latency_s == pytest.approx(1.02)


def test_many_rows_some_of_them_bad() -> None:
    """
    One result each, in streams that are good, cut, broken, hung and refused by turns.
    """
    steps = (
        words("good"),
        words("cut", ending=b""),
        words("x", ending=FAULT),
        words("hung", ending=b"", end=Hangs()),
        refusal(503),
        Breaks(),
    )
    far_end = Scripted(*(steps[number % len(steps)] for number in range(60)), then=words("good"))

    patient = streamed(Timeouts(silence=5.0), max_attempts=60, max_timeouts=60)

    played = play(far_end, [ask(number, f"p{number}") for number in range(40)], patient)

    assert played.positions == list(range(40))
    assert {result.text for result in played.recorded} == {"good"}
    assert far_end.under_way == 0


def test_a_stream_that_ran_out_of_time_is_left() -> None:
    """
    The clock that ends an attempt ends its stream too.
    """
    far_end = Scripted(then=words("a", ending=b"", end=Hangs()))

    result = play_one(far_end, streamed(Timeouts(silence=5.0), max_attempts=1))

    assert isinstance(result.outcome, Failure)
    assert (result.outcome.sent, far_end.cancelled, far_end.left_early) == (Sent.YES, 1, 1)


class _Plain:
    """A dialect that knows no streams."""

    name = "plain"
    default_base_url = key_variable = base_url_variable = ""

    def url(self, base_url: str) -> str:
        return base_url

    def headers(self, key: str | None) -> dict[str, str]:
        return {}

    def encode(self, request: Request, *, model: str) -> bytes:
        return b"{}"

    def decode(self, response: WireResponse) -> Outcome:
        return Failure(kind=FailureKind.INVALID, message="none")


def test_a_dialect_without_streams_says_so() -> None:
    """
    Streaming over a dialect that can't is a wrong setting, said before anything is sent.
    """

    async def main() -> None:
        open_lane(Scripted(), streamed(), dialect=_Plain())

    with pytest.raises(ConfigError, match=r"the dialect 'plain' can't stream; leave streaming out"):
        run_virtual(main())


def test_a_lane_elsewhere_keeps_its_connections() -> None:
    """
    Only servers on this machine are asked to close after a stream.
    """
    far_end = Scripted(words("a"))

    async def main() -> None:
        lane = Lane(
            endpoint=Endpoint(dialect="openai", base_url="https://far.away", model="m"),
            model="m",
            dialect=OpenAIChat(),
            transport=far_end,
            settings=streamed(),
            price=lambda _: None,
            emit=lambda _: None,
        )
        assert "Admit(inner=StreamSend(openai to https://far.away/v1/chat/completions)" in str(lane.path.service)
        await fulfil(lane.prepare(ask()), lane.path)

    run_virtual(main())
    assert "connection" not in far_end.requests[0].headers
