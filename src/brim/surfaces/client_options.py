"""The settings of a `Client`, by name.

They are keywords, so a word that is none of them would be lost without a sound: `check_names` says it. `check_kinds`
says what is none of its kind before anything else stumbles over it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Final, TypedDict

from brim.config import Limits, Timeouts
from brim.errors import ConfigError
from brim.events import Event
from brim.surfaces.figures import FIGURES
from brim.surfaces.lane_limits import LimitsOf
from brim.surfaces.presets import did_you_mean
from brim.transport import Transport

if TYPE_CHECKING:
    from brim.engine.strategies import RetryState

__all__ = ["Options", "check_kinds", "check_names"]


class Options(TypedDict, total=False):
    """Settings of a client, all optional.

    Attributes:
        base_url: where the API listens, with or without a trailing `/v1`.
        api_key: the credential; by default the official SDK's environment variable.
        api: which of OpenAI's APIs to speak, "chat" or "responses".
        api_settings: settings of the dialect: Anthropic's `version` (the header) and `auth` (which header carries the
            key: "both", "x-api-key" or "bearer").
        system: the system prompt of every request that brings none.
        max_tokens: the cap on generated tokens of every request that brings none.
        params: body fields of every request, those of the request itself win.
        limits: what you know of each lane's limits; what you leave out is found out. A text is the name of a preset,
            as `brim limits` lists them; a function is given the lane's name (`openai:gpt-6-luna`) when it opens.
        lanes: limits of single lanes, in the place of *limits*, by model, with or without the word before the colon.
        budget_usd: send only what certainly keeps the sum of all costs within so many US dollars; needs a known price
            and a cap on the output, see docs/how-to/cap-the-bill.md.
        price: what a million tokens cost in US dollars, in and out, as "0.25/2"; by default the list price at the
            provider's own address.
        prices: those of single models, in the place of *price*, by model, with or without the word before the colon.
        timeouts: the clocks of one attempt.
        max_attempts: how often a request is sent at most, throttled attempts not counted.
        wait, stop, retry, before_sleep: tenacity's strategies, see `brim.engine.strategies`; `stop` takes the place
            of *max_attempts*.
        stream: have answers come in pieces under the hood, so that a long one keeps its connection alive and the clocks
            see whether the far end still writes. The results are the same.
        ca: a file of certificates to trust beside `SSL_CERT_FILE`.
        on_event: told every event, synchronously; it must not block.
        trace: why attempts had to wait: True tells `AttemptAdmitted` to *on_event*, a path writes them to the end of
            that file as well, see docs/reference/trace.md.
        environ: where keys, base URLs and proxies are looked up; by default `os.environ`.
        transport: another way to the far end, for tests.
        seed: fixes the jitter, for tests.
    """

    base_url: str | None
    api_key: str | None
    api: str
    api_settings: Mapping[str, str]
    system: str | None
    max_tokens: int | None
    params: Mapping[str, Any]
    limits: Limits | str | LimitsOf
    lanes: Mapping[str, Limits | str]
    budget_usd: float | None
    price: str | None
    prices: Mapping[str, str]
    timeouts: Timeouts
    max_attempts: int
    wait: Callable[[RetryState], float]
    stop: Callable[[RetryState], bool]
    retry: Callable[[RetryState], bool]
    before_sleep: Callable[[RetryState], object]
    stream: bool
    ca: str | None
    on_event: Callable[[Event], None]
    trace: str | os.PathLike[str] | bool
    environ: Mapping[str, str]
    transport: Transport
    seed: int


def check_names(options: Iterable[str]) -> None:
    """Raise `ConfigError` if one of *options* is no setting of a client."""
    known = Options.__annotations__
    for name in options:
        if name in known:
            continue
        hint = f"{did_you_mean(name, known)}brim.Options lists those there are"
        if name in FIGURES:
            hint = "limits are given as limits=brim.Limits(...)"
        raise ConfigError(f"a client has no option {name!r}; {hint}")


def check_kinds(model: object, options: Mapping[str, Any]) -> None:
    """Raise `ConfigError` if one of *options*, or *model*, is not of its kind. What it is is not told of a key."""
    for name, value in (("model", model), *options.items()):
        kinds, words = _KINDS.get(name, _ANY)
        if isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds):
            continue
        if callable(value) and Callable in kinds:
            continue
        shown = f"of type {type(value).__name__}" if name in _SECRET else repr(value)
        raise ConfigError(f"the option {name} is {shown}; it should be {words}")


_NONE: Final = type(None)
_TEXT: Final = ((str, _NONE), "a text")
_FUNCTION: Final = ((Callable, _NONE), "a function")
_MAPPING: Final = ((Mapping,), "a dict")
_ANY: Final = ((object, bool), "")
_SECRET: Final = frozenset({"api_key", "base_url", "environ"})
_KINDS: Final[Mapping[str, tuple[tuple[Any, ...], str]]] = {
    "model": _TEXT,
    "base_url": _TEXT,
    "api_key": _TEXT,
    "api": ((str,), "a text"),
    "api_settings": ((Mapping, _NONE), "a dict"),
    "system": _TEXT,
    "max_tokens": ((Integral, _NONE), "a whole number"),
    "params": ((Mapping, _NONE), "a dict of fields of the body"),
    "limits": ((Limits, str, Callable), "a brim.Limits, the name of a preset, or a function of the lane's name"),
    "lanes": ((Mapping,), "a dict from models to brim.Limits, or to names of presets"),
    "budget_usd": ((Real, _NONE), "a number of US dollars"),
    "price": ((str, _NONE), "a text such as '0.25/2'"),
    "prices": ((Mapping,), "a dict from models to texts such as '0.25/2'"),
    "timeouts": ((Timeouts,), "a brim.Timeouts"),
    "max_attempts": ((Integral,), "a whole number"),
    "wait": _FUNCTION,
    "stop": _FUNCTION,
    "retry": _FUNCTION,
    "before_sleep": _FUNCTION,
    "stream": ((bool,), "True or False"),
    "ca": ((str, os.PathLike, _NONE), "the name of a file"),
    "on_event": _FUNCTION,
    "trace": ((str, os.PathLike, bool), "True, False or the name of a file"),
    "environ": _MAPPING,
}
