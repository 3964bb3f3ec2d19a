"""The scripted far end, on the virtual clock."""

from __future__ import annotations

import asyncio

import pytest

from brim.protocols import WireRequest
from brim.simulator.clock import run_virtual
from brim.transport import Phase, Transport, TransportError
from brim.transport.scripted import Answers, Breaks, Hangs, Scripted, Step
from brim.values import Sent
from transport.far_end import KEY, Recorder


def ask_for(body: bytes = b"{}") -> WireRequest:
    return WireRequest(url="http://far.end/v1", headers={"authorization": KEY}, body=body)


def test_steps_play_in_order() -> None:
    """Each exchange plays the next step, at the exact time, and is recorded."""
    far_end = Scripted(Answers(body=b"a", after=1.5), Answers(body=b"b", status=429, headers={"retry-after": "2"}))

    async def main() -> None:
        first = await far_end.exchange(ask_for(b"1"), Recorder())
        second = await far_end.exchange(ask_for(b"2"), Recorder())
        assert (first.status, first.body, first.received_at) == (200, b"a", 1.5)
        assert (second.status, second.body, second.headers["retry-after"]) == (429, b"b", "2")

    run_virtual(main())
    assert (far_end.sent_at, far_end.bodies) == ([0.0, 1.5], [b"1", b"2"])


def test_phases_of_an_answer() -> None:
    """An answer tells every phase, and each further piece at its time."""
    told: list[tuple[float, Phase]] = []

    class Clocked:
        def reached(self, phase: Phase) -> None:
            told.append((asyncio.get_running_loop().time(), phase))

    run_virtual(Scripted(Answers(after=1, pieces=3, between=2)).exchange(ask_for(), Clocked()))
    answering = [(at, Phase.ANSWERING) for at in (1, 3, 5)]
    assert told == [(0, Phase.CONNECTED), (0, Phase.SENT), *answering, (5, Phase.DONE)]


@pytest.mark.parametrize(
    ("phase", "sent"),
    [
        (Phase.CONNECTING, Sent.NO),
        (Phase.CONNECTED, Sent.MAYBE),
        (Phase.SENT, Sent.MAYBE),
        (Phase.ANSWERING, Sent.YES),
    ],
)
def test_break(phase: Phase, sent: Sent) -> None:
    """A break says what was sent at the phase it happens in, and no later phase was told."""
    client = Recorder()

    async def main() -> None:
        far_end = Scripted(Breaks(phase=phase, after=3, message="torn", is_malformed=True))
        with pytest.raises(TransportError, match="torn") as caught:
            await far_end.exchange(ask_for(), client)
        assert (caught.value.sent, caught.value.is_malformed) == (sent, True)
        assert asyncio.get_running_loop().time() == 3

    run_virtual(main())
    assert client.order == [each for each in Phase if Phase.CONNECTING < each <= phase]


def test_hang_lasts_until_cancelled() -> None:
    """A hanging exchange ends by cancellation alone, and that is counted."""
    far_end = Scripted(Hangs(phase=Phase.ANSWERING))

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3_600):
                await far_end.exchange(ask_for(), Recorder())

    run_virtual(main())
    assert (far_end.cancelled, far_end.under_way) == (1, 0)


def test_then_follows_the_steps() -> None:
    """When the steps have run out, *then* answers every further exchange, by its request if it is a function."""

    def echo(request: WireRequest) -> Step:
        return Answers(body=request.body)

    far_end = Scripted(Answers(body=b"first"), then=echo)

    async def main() -> list[bytes]:
        return [(await far_end.exchange(ask_for(body), Recorder())).body for body in (b"1", b"2", b"3")]

    assert run_virtual(main()) == [b"first", b"2", b"3"]


def test_script_runs_out() -> None:
    """One exchange more than the script foresees is an error of the test that wrote it."""
    with pytest.raises(AssertionError, match="run out after 0 exchanges"):
        run_virtual(Scripted().exchange(ask_for(), Recorder()))


def test_counts_what_is_under_way() -> None:
    """The most exchanges that were under way at once are known."""
    far_end = Scripted(then=Answers(after=1))

    async def main() -> None:
        await asyncio.gather(*(far_end.exchange(ask_for(), Recorder()) for _ in range(7)))
        await far_end.exchange(ask_for(), Recorder())
        await far_end.aclose()

    run_virtual(main())
    assert (far_end.most_under_way, far_end.under_way, far_end.is_closed) == (7, 0, True)


def test_is_a_transport() -> None:
    """It may stand wherever a transport is wanted."""
    transport: Transport = Scripted()
    run_virtual(transport.aclose())
