"""Far ends that show and ask what can't be: numbers without end, times without sense. A run gets by all the same."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from brim.engine.lane import Settings
from brim.protocols import WireRequest
from brim.transport.scripted import Answers, Scripted
from engine.support import ask, play, refusal, reply

AMOUNTS = [
    *("0", "-1", "1", "abc", "", "1e9", "1e308", "nan", "inf", "100", "60000", "0.5", "1e-300", "1e14", "9" * 300),
    *("99999999999999999999", "9223372036854775807", "999999999999999"),
]
RESETS = [
    *("0s", "-1", "1s", "60s", "6m0s", "24h", "99999h", "1e12", "garbage", "0", "31536000", "20ms", "1e-9"),
    *("9" * 300, "9" * 12, "9" * 30 + "h", "0.000001s", "2099-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
]
PARTS = ("limit", "remaining", "reset")
SPELLINGS = (
    "x-ratelimit-{part}-{of}",
    "anthropic-ratelimit-{of}-{part}",
    "x-ratelimit-{part}",
    "ratelimit-{part}",
)
KINDS = ("requests", "tokens", "input-tokens", "output-tokens")


def shown(chance: Random) -> dict[str, str]:
    """Headers as some provider spells them, and nobody means them."""
    spelling = chance.choice(SPELLINGS)
    return {
        spelling.format(part=part, of=of): chance.choice(RESETS if part == "reset" else AMOUNTS)
        for of in chance.sample(KINDS, chance.randint(1, 3))
        for part in PARTS
        if chance.random() < 0.85
    }


def far_end(chance: Random) -> Scripted:
    headers = shown(chance)
    refused = chance.choice((0.0, 0.1))

    def answer(_: WireRequest) -> Answers:
        if chance.random() >= refused:
            return msgspec.structs.replace(reply(after=1.0, tokens=(chance.choice((10, 0, 2**31)), 5)), headers=headers)
        asked = chance.choice(({}, {"retry-after": chance.choice(AMOUNTS)}, {"retry-after-ms": chance.choice(AMOUNTS)}))
        no = refusal(chance.choice((429, 503, 529)), code=chance.choice((None, "slow_down")), after=0.2)
        return msgspec.structs.replace(no, headers={**headers, **asked})

    return Scripted(then=answer)


@pytest.mark.parametrize("seed", range(60))
def test_nothing_that_is_shown_ends_a_run(seed: int) -> None:
    """
    Every row has its answer, or is left because the server asks to come back another day.
    """
    played = play(far_end(Random(seed)), (ask(each) for each in range(100)), Settings(seed=1))

    assert len(played.recorded) + len(played.left) == 100
    assert all(result.reply is not None for result in played.recorded)
