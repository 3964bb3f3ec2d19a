"""The provider in process: what a client would learn from a socket, on virtual time, the same for each seed."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec
import pytest

from brim.protocols import WireResponse
from brim.simulator import (
    EPOCH,
    FAULTS,
    Deadlock,
    FaultRule,
    Latency,
    Lengths,
    Limit,
    Provider,
    Scenario,
    SimTransport,
    answer_to,
    load_scenario,
    run_virtual,
    scenario_names,
)
from brim.transport import Phase, TransportError
from brim.values import Sent
from simulator.support import CHAT, MESSAGES, Phases, wire

PLAIN = Scenario(latency=Latency(first=2.0))
HANGS = {"hang", "hang_after_headers", "dribble", "stream_hang", "unreachable"}
ALL_PHASES = [Phase.CONNECTED, Phase.SENT, Phase.ANSWERING, Phase.DONE]


async def exchange(
    text: str, scenario: Scenario = PLAIN, *, path: str = CHAT, **more: object
) -> tuple[WireResponse, list[Phase], float]:
    phases = Phases()
    answer = await SimTransport(scenario).exchange(wire(text, path=path, **more), phases)
    return answer, phases.seen, asyncio.get_running_loop().time()


def test_a_good_exchange_reports_every_phase_and_takes_its_time() -> None:
    """
    Connected, sent, answering, done; the answer is there after its latency, dated by the provider's wall clock.
    """
    answer, phases, took = run_virtual(exchange("ping"))

    assert answer.status == 200
    assert answer_to("ping").encode() in answer.body
    assert answer.headers["content-type"] == "application/json"
    assert phases == ALL_PHASES
    assert took == 2.0
    assert answer.received_at == EPOCH + 2.0


def test_connecting_takes_its_time() -> None:
    """
    The time that connecting takes comes before the request is received.
    """

    async def main() -> tuple[float, int]:
        transport = SimTransport(PLAIN, connect=0.5)
        await transport.exchange(wire(), Phases())
        await transport.aclose()
        return asyncio.get_running_loop().time(), transport.provider.tally.answered

    assert run_virtual(main()) == (2.5, 1)


def test_each_piece_of_a_stream_is_reported() -> None:
    """
    A streamed answer reports ANSWERING again for every further piece.
    """
    scenario = Scenario(latency=Latency(first=1.0, per_token=0.1), lengths=Lengths(tokens=20))

    _, phases, took = run_virtual(exchange("ping", scenario, stream=True))

    assert phases.count(Phase.ANSWERING) == 5
    assert took == pytest.approx(2.9)


# What a fault looks like to its client: whether the provider may have the request, whether HTTP itself is broken.
BROKEN = {
    "refused": (Sent.NO, False),
    "reset": (Sent.MAYBE, False),
    "close": (Sent.MAYBE, False),
    "lost": (Sent.MAYBE, False),
    "reset_after_headers": (Sent.YES, False),
    "truncated": (Sent.YES, False),
    "truncated_chunked": (Sent.YES, False),
    "stream_reset": (Sent.YES, False),
    "stream_cut": (Sent.YES, False),  # not streamed here, so it is a truncated body
    "not_http": (Sent.YES, True),
    "bad_chunk": (Sent.YES, True),
    "two_lengths": (Sent.YES, True),
    "gzip_cut": (Sent.YES, True),
}
WHOLE = {
    "truncated_silent", "garbage", "html", "empty_body", "huge_header", "gzip", "wrong_type", "slow_drip",
    "blank_lines", "stuck",
}  # fmt: skip


def test_every_fault_is_told_apart_here() -> None:
    """
    The three tables of this file cover every fault there is.
    """
    assert {*BROKEN, *WHOLE, *HANGS} == set(FAULTS)


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_exchanges_say_what_was_sent(kind: str) -> None:
    """
    A broken exchange is a `TransportError` that tells whether the provider may have the request.
    """
    with pytest.raises(TransportError) as caught:
        run_virtual(exchange(f"[[sim:fault={kind}]]"))

    assert (caught.value.sent, caught.value.is_malformed) == BROKEN[kind]


@pytest.mark.parametrize("kind", sorted(HANGS))
def test_a_hang_hangs_until_its_client_gives_up(kind: str) -> None:
    """
    Nothing ends the exchange but cancelling, which ends it at once; how far it came is known from the phases.
    """

    async def main() -> tuple[float, int, Phase | None]:
        transport, phases = SimTransport(PLAIN), Phases()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(4_000):
                await transport.exchange(wire(f"[[sim:fault={kind}]]"), phases)
        return asyncio.get_running_loop().time(), transport.provider.tally.running, next(reversed(phases.seen), None)

    took, running, last = run_virtual(main())
    expected = {"hang": Phase.SENT, "unreachable": None}.get(kind, Phase.ANSWERING)

    assert (took, running, last) == (4_000, 0, expected)


@pytest.mark.parametrize("kind", sorted(WHOLE))
def test_odd_bodies_arrive_as_they_are(kind: str) -> None:
    """
    What looks complete on the wire is an answer, however odd; telling is the reader's business.
    """
    answer, _, took = run_virtual(exchange(f"[[sim:fault={kind}]]"))
    is_right = answer_to(f"[[sim:fault={kind}]]").encode() in answer.body and answer.body.endswith(b"}")

    assert answer.status == 200
    assert is_right == (kind in {"huge_header", "gzip", "wrong_type", "slow_drip", "blank_lines", "stuck"})
    assert took == {"slow_drip": 7.0, "blank_lines": 7.0, "stuck": 7.0}.get(kind, 2.0)
    assert answer.body.startswith(b"\n\n\n\n\n{") == (kind == "blank_lines")


def test_details_of_odd_answers() -> None:
    """
    The label, the long header and the login page are what their names say.
    """
    wrong = run_virtual(exchange("[[sim:fault=wrong_type]]"))[0]
    huge = run_virtual(exchange("[[sim:fault=huge_header]]"))[0]
    html = run_virtual(exchange("[[sim:fault=html]]"))[0]

    assert wrong.headers["content-type"] == "text/plain"
    assert len(huge.headers["x-trace"]) == 10_000
    assert html.headers["content-type"].startswith("text/html")
    assert html.body.startswith(b"<!DOCTYPE html>")


def test_streams_break_in_their_middle() -> None:
    """
    A cut stream lacks its last event, a reset one is broken, an error frame ends another.
    """
    cut = run_virtual(exchange("[[sim:fault=stream_cut]]", stream=True))[0]
    frame = run_virtual(exchange("[[sim:fault=stream_error]]", stream=True))[0]
    done = run_virtual(exchange("[[sim:fault=stream_error_done]]", stream=True))[0]
    message = run_virtual(exchange("[[sim:fault=stream_error]]", path=MESSAGES, stream=True))[0]

    assert b"[DONE]" not in cut.body
    assert b'data: {"error":' in frame.body
    assert b"[DONE]" not in frame.body
    assert done.body.endswith(b"data: [DONE]\n\n")
    assert b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"' in message.body
    with pytest.raises(TransportError):
        run_virtual(exchange("[[sim:fault=stream_reset]]", stream=True))


def test_signs_of_life_fit_the_protocol() -> None:
    """
    Before a plain answer they are blank lines, in a stream comments.
    """
    stream = run_virtual(exchange("[[sim:fault=blank_lines]]", stream=True))[0]

    assert stream.body.startswith(b": keep-alive\n\n" * 5 + b"data: {")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("error_in_200", b'"type":"server_error"'),
        ("throttled_in_200", b'"code":"rate_limit_exceeded"'),
        ("quota_in_200", b'"code":"insufficient_quota"'),
        ("stream_error", b'"type":"server_error"'),
    ],
)
def test_errors_behind_a_200(kind: str, body: bytes) -> None:
    """
    A 200 whose body is an error, as relays send it.
    """
    answer = run_virtual(exchange(f"[[sim:fault={kind}]]"))[0]

    assert answer.status == 200
    assert body in answer.body


def test_a_deadlock_is_reported_and_not_hung() -> None:
    """
    Where nothing could ever wake the program again, the virtual loop says who waits where.
    """
    with pytest.raises(Deadlock, match=r"LoopClock.for_ever, line \d+"):
        run_virtual(exchange("[[sim:fault=hang]]"))


def test_cancelling_is_told_to_the_provider() -> None:
    """
    A cancelled exchange is abandoned, and billed all the same.
    """

    async def main() -> Provider:
        transport = SimTransport(PLAIN)
        task = asyncio.create_task(transport.exchange(wire(), Phases()))
        await asyncio.sleep(1.0)
        task.cancel()
        await asyncio.wait([task])
        transport.provider.drain()
        return transport.provider

    tally = run_virtual(main()).tally

    assert (tally.abandoned, tally.completed, tally.answered, tally.running) == (1, 1, 0, 0)


async def many(scenario: Scenario, calls: int, every: float, *, path: str = CHAT) -> Provider:
    """Send *calls* evenly, giving each up to 60 s, and return the provider with its log."""
    transport = SimTransport(Provider(scenario, keeps_log=True))

    async def one(number: int) -> None:
        try:
            async with asyncio.timeout(60):
                await transport.exchange(wire(f"call {number}", path=path), Phases())
        except (TransportError, TimeoutError):
            return

    async with asyncio.TaskGroup() as tasks:
        for number in range(calls):
            tasks.create_task(one(number))
            await asyncio.sleep(every)
    return transport.provider


@pytest.mark.parametrize("name", scenario_names())
def test_the_same_seed_gives_the_same_run_to_the_last_event(name: str) -> None:
    """
    Two runs of each ready-made scenario have the same log, times included.
    """
    scenario = load_scenario(name)

    first, second = (run_virtual(many(scenario, 150, 0.2)) for _ in range(2))

    assert first.log == second.log
    assert first.snapshot(100.0) == second.snapshot(100.0)
    assert len(first.log) >= 300


def test_another_seed_gives_another_run() -> None:
    """
    The seed is what makes the difference.
    """
    flaky = load_scenario("flaky")
    other = msgspec.structs.replace(flaky, seed=1)

    assert run_virtual(many(flaky, 100, 0.2)).log != run_virtual(many(other, 100, 0.2)).log


def test_a_long_run_in_no_time() -> None:
    """
    An hour of a limit is an hour of virtual time, and exactly what the limit lets through.
    """
    scenario = Scenario(limits=[Limit(of="requests", amount=20, burst=1)], latency=Latency(first=0.1))

    provider = run_virtual(many(scenario, 2_400, 1.5))

    assert provider.tally.accepted == 1_200
    assert provider.tally.refused == Counter(throttled=1_200)


def test_it_works_on_an_ordinary_loop_too() -> None:
    """
    On a loop with real time the provider's second 0 is the first exchange.
    """

    async def main() -> tuple[WireResponse, float]:
        transport = SimTransport(Scenario(latency=Latency(first=0.01), faults=[FaultRule(kind="conflict", start=9.0)]))
        return await transport.exchange(wire(), Phases()), transport.now()

    answer, now = asyncio.run(main())

    assert answer.status == 200
    assert 0.01 <= now < 5


@pytest.mark.parametrize("limit", [1, 10, 100])
def test_concurrent_calls_are_each_answered_with_their_own(limit: int) -> None:
    """
    However many are under way, each exchange brings the answer to its own request.
    """

    async def main() -> list[bool]:
        transport = SimTransport(Scenario(latency=Latency(first=1.0, spread=1.0)))

        async def one(number: int) -> bool:
            answer = await transport.exchange(wire(f"{number}"), Phases())
            return answer_to(f"{number}").encode() in answer.body

        return await asyncio.gather(*[one(number) for number in range(limit)])

    assert all(run_virtual(main()))


def test_an_answer_can_be_read_as_it_comes() -> None:
    """
    An opened exchange gives the head first, then each piece at its time, then nothing.
    """
    scenario = Scenario(latency=Latency(first=1.0, per_token=0.1), lengths=Lengths(tokens=8))

    async def main() -> list[tuple[float, int]]:
        loop, seen = asyncio.get_running_loop(), []
        async with SimTransport(scenario).open(wire("ping", stream=True), Phases()) as stream:
            assert (stream.status, stream.received_at) == (200, EPOCH + 1.0)
            assert stream.headers["content-type"].startswith("text/event-stream")
            while part := await stream.read():
                seen.append((round(loop.time(), 6), part.count(b"data: ")))
            assert await stream.read() == b""
        return seen

    assert run_virtual(main()) == [(1.0, 2), (1.7, 3)]


async def read_all(transport: SimTransport, text: str) -> None:
    async with transport.open(wire(text, stream=True), Phases()) as stream:
        while await stream.read():
            pass


def test_leaving_an_opened_answer_abandons_it() -> None:
    """
    Who leaves before the end has left; who reads to the end has finished; a break is told by `read`.
    """

    async def main() -> tuple[int, int]:
        transport = SimTransport(Scenario(latency=Latency(first=1.0, per_token=0.1)))
        async with transport.open(wire("early", stream=True), Phases()) as stream:
            await stream.read()
        await read_all(transport, "late")
        with pytest.raises(TransportError):
            await read_all(transport, "[[sim:fault=stream_reset]]")
        return transport.provider.tally.abandoned, transport.provider.tally.answered

    assert run_virtual(main()) == (1, 1)
