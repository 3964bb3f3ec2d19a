"""`client.stream`: pieces as they come, an honest end, and nothing left behind by who leaves early."""

from __future__ import annotations

import asyncio
import gc

import pytest

import brim
from brim.config import Timeouts
from brim.errors import CallFailed
from brim.events import RequestEnded
from brim.protocols import Piece
from brim.simulator.clock import run_virtual
from brim.surfaces.client import Client
from brim.surfaces.streaming import AnswerStream
from brim.transport import Phase
from brim.transport.scripted import Breaks, Hangs, Scripted, Streams
from brim.values import FailureKind, Usage
from engine.streams import ENDING, FAULT, options, said, with_client, words
from engine.support import refusal, reply

ENDLESS = words(*["more"] * 1_000)


def test_pieces_come_at_the_time_they_are_sent() -> None:
    """
    No piece waits for the next one, and after the last one the whole answer is there with its usage.
    """

    async def main(client: Client) -> list[tuple[float, str]]:
        loop = asyncio.get_running_loop()
        stream = client.stream("tell")
        pieces = [(loop.time(), piece.text) async for piece in stream]
        assert stream.reply.text == "one two three"
        assert stream.reply.usage == Usage(input_tokens=10, output_tokens=5)
        assert (stream.result.attempts, stream.result.latency_s) == (1, 3.0)
        return pieces

    pieces = run_virtual(with_client(Scripted(words("one ", "two ", "three")), main))
    assert pieces == [(1.0, "one "), (2.0, "two "), (3.0, "three")]


def test_reasoning_comes_as_such_and_signs_of_life_do_not() -> None:
    """
    Reasoning has a place of its own; pieces with nothing to show are not handed out.
    """
    step = Streams(chunks=[(1.0, said("", reasoning="hm") + said("", tool_calls=[{"index": 0}]) + said("a") + ENDING)])

    async def main(client: Client) -> list[Piece]:
        return [piece async for piece in client.stream("tell")]

    assert run_virtual(with_client(Scripted(step), main)) == [Piece(reasoning="hm"), Piece("a")]


def test_as_a_context() -> None:
    """
    The request goes out on entering; iterating over an ended stream gives nothing more.
    """
    far_end = Scripted(words("a"))

    async def main(client: Client) -> None:
        async with client.stream("tell") as stream:
            await asyncio.sleep(0.5)
            assert len(far_end.requests) == 1
            assert [piece.text async for piece in stream] == ["a"]
            assert [piece.text async for piece in stream] == []
        assert stream.reply.text == "a"
        await stream.aclose()

    run_virtual(with_client(far_end, main))


def test_nothing_is_sent_before_it_is_asked_for() -> None:
    """
    A stream that nobody reads costs nothing, and may be closed.
    """
    far_end = Scripted()

    async def main(client: Client) -> None:
        stream = client.stream("tell")
        await asyncio.sleep(1.0)
        await stream.aclose()

    run_virtual(with_client(far_end, main))
    assert not far_end.requests


def test_there_is_no_reply_before_the_end() -> None:
    """
    Asking for the reply of a stream that still comes, never began, or was closed is a mistake that is named.
    """

    async def main(client: Client) -> None:
        stream = client.stream("tell")
        with pytest.raises(RuntimeError, match="read the stream until it ends"):
            _ = stream.reply
        async with stream:
            await anext(stream)
            with pytest.raises(RuntimeError, match="read the stream until it ends"):
                _ = stream.result
        with pytest.raises(RuntimeError, match="read the stream until it ends"):
            _ = stream.reply

    run_virtual(with_client(Scripted(ENDLESS), main))


@pytest.mark.parametrize(
    "first",
    [
        refusal(500),
        refusal(429, retry_after=5),
        Breaks(phase=Phase.SENT),
        Streams(chunks=[(1.0, said("")), (1.0, FAULT)]),
        Streams(chunks=[(1.0, said(""))]),
    ],
    ids=["500", "429", "break", "error-frame", "cut"],
)
def test_sent_again_while_nothing_was_handed_out(first: Streams | Breaks) -> None:
    """
    A failure before the first piece is the ordinary policy's business, and nobody sees it.
    """

    async def main(client: Client) -> list[str]:
        return [piece.text async for piece in client.stream("tell")]

    assert run_virtual(with_client(Scripted(first, words("a", "b")), main)) == ["a", "b"]


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (words("half", ending=b""), FailureKind.MALFORMED),
        (words("half", ending=FAULT + ENDING), FailureKind.SERVER),
        (words("half", ending=b"", end=Breaks(message="gone")), FailureKind.CONNECTION),
        (words("half", ending=b"", end=Hangs()), FailureKind.TIMEOUT),
    ],
    ids=["cut", "error-then-done", "break", "silence"],
)
def test_a_failure_after_the_first_piece_is_raised(step: Streams, kind: FailureKind) -> None:
    """
    What was handed out can't be taken back: the call is not repeated, and the end is no quiet one.
    """
    far_end = Scripted(Streams(chunks=[(1.0, said("a")), *step.chunks], end=step.end))
    heard: list[str] = []

    async def main(client: Client) -> None:
        async for piece in client.stream("tell"):
            heard.extend([piece.text])

    with pytest.raises(CallFailed) as raised:
        run_virtual(with_client(far_end, main))

    assert raised.value.failure.kind is kind
    assert heard[0] == "a"
    assert len(far_end.requests) == 1


def test_pieces_nobody_took_are_taken_back() -> None:
    """
    A reader who was away sees one whole answer, not the beginning of the broken one before it.
    """

    async def main(client: Client) -> list[str]:
        async with client.stream("tell") as stream:
            await asyncio.sleep(100.0)
            return [piece.text async for piece in stream]

    far_end = Scripted(words("broken", "half", ending=b""), words("a", "b"))
    assert run_virtual(with_client(far_end, main)) == ["a", "b"]


def test_a_call_that_never_works_raises_its_failure() -> None:
    """
    The failure is the one that `complete` would raise, from the iteration and from `reply`.
    """

    async def main(client: Client) -> None:
        stream = client.stream("tell")
        with pytest.raises(CallFailed, match="invalid: no"):
            await anext(stream)
        with pytest.raises(CallFailed, match="invalid: no"):
            _ = stream.reply

    run_virtual(with_client(Scripted(refusal(400)), main))


def test_a_prompt_that_cannot_be_sent_fails_alike() -> None:
    """
    What JSON can't carry is a failed call; what is no prompt at all is the caller's mistake.
    """

    async def main(client: Client) -> None:
        with pytest.raises(CallFailed, match="invalid"):
            await anext(client.stream("\ud83d"))
        with pytest.raises(brim.InputError):
            await anext(client.stream(7))  # type: ignore[arg-type] # the mistake

    run_virtual(with_client(Scripted(), main))


def test_a_plain_answer_is_one_piece() -> None:
    """
    A server that can't stream is read all the same.
    """

    async def main(client: Client) -> list[str]:
        return [piece.text async for piece in client.stream("tell")]

    assert run_virtual(with_client(Scripted(reply("all")), main)) == ["all"]


def test_a_slow_reader_holds_up_nothing() -> None:
    """
    The far end is read as it writes: no clock runs against the reader, and the permit is back when the answer is.
    """
    far_end = Scripted(words(*"abcd"))

    async def main(client: Client) -> None:
        heard = []
        async for piece in client.stream("tell"):
            heard.append(piece.text)
            await asyncio.sleep(1_000.0)
            assert far_end.under_way == 0
        assert heard == list("abcd")

    run_virtual(with_client(far_end, main, Timeouts(silence=2.0, total=10.0)))


def assert_freed(far_end: Scripted) -> None:
    assert (far_end.under_way, far_end.left_early) == (0, 1)
    assert asyncio.get_running_loop().time() == 2.0, "at once"
    assert len(asyncio.all_tasks()) == 1


def test_closing_early_frees_everything_at_once() -> None:
    """
    Leaving the context closes the connection, ends the task and gives the permit back before it returns.
    """
    far_end = Scripted(ENDLESS)

    async def main(client: Client) -> None:
        async with client.stream("tell") as stream:
            assert (await anext(stream)).text == "more"
            await anext(stream)
        assert_freed(far_end)
        assert [piece async for piece in stream] == []

    run_virtual(with_client(far_end, main))


def test_leaving_a_loop_early_frees_everything_at_once() -> None:
    """
    A stream that is dropped by a `break` needs no closing.
    """
    far_end = Scripted(ENDLESS)

    async def main(client: Client) -> None:
        heard = 0
        async for _ in client.stream("tell"):
            heard += 1
            if heard == 2:
                break
        gc.collect()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert_freed(far_end)

    run_virtual(with_client(far_end, main))


def test_cancelling_the_reader_frees_everything_at_once() -> None:
    """
    Whoever is cancelled while waiting for a piece leaves nothing behind.
    """
    far_end = Scripted(ENDLESS)

    async def read(stream: AnswerStream) -> None:
        async for _ in stream:
            pass

    async def main(client: Client) -> None:
        reading = asyncio.create_task(read(client.stream("tell")))
        await asyncio.sleep(2.0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await asyncio.sleep(0)
        assert_freed(far_end)

    run_virtual(with_client(far_end, main))


def test_cancelled_while_it_waits_for_its_permit_or_its_retry() -> None:
    """
    A stream that has not begun can be left as well.
    """

    async def main(client: Client) -> None:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2.0):
                    await anext(client.stream("tell"))

    run_virtual(with_client(Scripted(then=refusal(429, retry_after=60)), main))


def test_a_client_that_closes_ends_its_streams_audibly() -> None:
    """
    Who still reads is told that the answer is not whole.
    """
    far_end = Scripted(ENDLESS)

    async def main() -> str:
        async with Client("m", **options(far_end)) as client:
            stream = client.stream("tell")
            await anext(stream)
        with pytest.raises(CallFailed) as raised:
            async for _ in stream:
                pass
        return str(raised.value)

    assert run_virtual(main()) == "stopped: the client was closed in the middle of the answer"
    assert far_end.under_way == 0


def test_many_streams_at_once_keep_apart() -> None:
    """
    A thousand streams, each reads its own answer; events tell of each once.
    """
    events: list[brim.Event] = []
    far_end = Scripted(then=lambda request: words(request.body.decode().split("<")[1].split(">")[0], "!"))

    settings = options(far_end)
    settings["on_event"] = events.append

    async def one(client: Client, number: int) -> bool:
        pieces = [piece.text async for piece in client.stream(f"say <{number}>")]
        return pieces == [f"{number}", "!"]

    async def main() -> bool:
        async with Client("m", **settings) as client:
            return all(await asyncio.gather(*(one(client, number) for number in range(1_000))))

    assert run_virtual(main())
    assert sum(isinstance(event, RequestEnded) for event in events) == 1_000
