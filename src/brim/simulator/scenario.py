"""What a provider is like: one frozen value, written in Python or in a TOML file.

Every setting is checked where it is made, so that the model may trust it. `brim.simulator.library` reads scenarios from
files and knows the ready-made ones; docs/reference/simulator.md lists every field.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final, Literal, TypeAlias

import msgspec

from brim.errors import ConfigError

__all__ = [
    "PERIODS",
    "Capacity",
    "Change",
    "Dimension",
    "FaultRule",
    "Headers",
    "Latency",
    "Lengths",
    "Limit",
    "Ramp",
    "Rival",
    "Scenario",
    "Vendor",
]

Dimension: TypeAlias = Literal["requests", "tokens", "input", "output"]
Period: TypeAlias = Literal["second", "minute", "hour", "day"]
Vendor: TypeAlias = Literal[
    "openai", "anthropic", "azure", "gemini", "openrouter", "deepseek", "groq", "vllm", "llamacpp", "ollama",
    "litellm", "newapi",
]  # fmt: skip
Spelling: TypeAlias = Literal["auto", "openai", "anthropic", "azure", "groq", "openrouter", "litellm", "none"]
Lie: TypeAlias = Literal["none", "double", "half", "full", "unknown", "past"]
WaitForm: TypeAlias = Literal["seconds", "float", "ms", "date", "text", "body", "huge", "zero", "negative", "nan"]
Scheme: TypeAlias = Literal["openai", "openai-sum", "azure", "anthropic", "gemini"]

PERIODS: Final[dict[Period, float]] = {"second": 1.0, "minute": 60.0, "hour": 3_600.0, "day": 86_400.0}
"""Seconds of each period a limit may be given per."""


def _need(*, holds: bool, what: str) -> None:
    if not holds:
        raise ConfigError(f"scenario: {what}")


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So much of one dimension per period, and how it is enforced.

    Attributes:
        of: what is counted: requests, tokens (input and output together), input or output tokens.
        amount: how much per period, above 0.
        per: the period.
        window: "continuous" refills evenly, "fixed" starts afresh at every multiple of *span*, "sliding" holds in
            every stretch of *span* seconds, "weighted" is a fixed one in which the one before counts by the part of
            it that a sliding one would still hold.
        span: seconds over which the limit is enforced; None for the whole period. Anthropic may enforce 60 RPM as one
            per second (span 1); Azure looks at requests over 1 or 10 seconds.
        burst: capacity of a continuous limit; None for *amount* scaled to *span*.
        start: is everything there at the beginning, or nothing?
        phase: seconds by which fixed and weighted windows are shifted.
    """

    of: Dimension
    amount: float
    per: Period = "minute"
    window: Literal["continuous", "fixed", "sliding", "weighted"] = "continuous"
    span: float | None = None
    burst: float | None = None
    start: Literal["full", "empty"] = "full"
    phase: float = 0.0

    def __post_init__(self) -> None:
        _need(holds=0 < self.amount < inf, what=f"limit of {self.of} is {self.amount}; it must be above 0")
        _need(holds=0 < self.window_s < inf, what=f"span of {self.of} is {self.span} s; it must be above 0")
        _need(
            holds=self.capacity >= 1,
            what=f"{self.amount:g} {self.of} a {self.per} enforced over {self.window_s:g} s lets through "
            f"{self.capacity:g} at a time, so never one; use a longer span or a burst of 1 or more",
        )
        _need(
            holds=self.burst is None or self.window == "continuous",
            what=f"a {self.window} limit of {self.of} has no burst; leave it out or make the window continuous",
        )

    @property
    def window_s(self) -> float:
        """Seconds over which it is enforced."""
        return PERIODS[self.per] if self.span is None else self.span

    @property
    def rate(self) -> float:
        """Amount a second, on average."""
        return self.amount / PERIODS[self.per]

    @property
    def capacity(self) -> float:
        """The most that can be taken at once."""
        return self.rate * self.window_s if self.burst is None else self.burst


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From *at* seconds on, the limits of one dimension (or all) are *factor* times what they were at first."""

    at: float
    factor: float
    of: Dimension | Literal["all"] = "all"

    def __post_init__(self) -> None:
        _need(holds=0 <= self.factor < inf, what=f"change at {self.at:g} s has factor {self.factor}; use 0 or more")


class Rival(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another client with the same key: takes *share* (0 to 1) of every limit from *start* until *until* seconds."""

    share: float
    start: float = 0.0
    until: float = inf

    def __post_init__(self) -> None:
        _need(holds=0 <= self.share <= 1, what=f"a rival takes a share of {self.share}; it must be from 0 to 1")
        _need(holds=self.start < self.until, what=f"a rival comes at {self.start:g} s and leaves at {self.until:g} s")


class Ramp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A limiter of growth: OpenAI's `slow_down`, Anthropic's `ramp_limit_exceeded`.

    In each window of *every* seconds at most `(1 + growth) ** (every / per)` times what got through in the best of the
    last *memory* windows, and never less than *floor* a minute. OpenAI's rule of thumb is 50 % per 15 minutes.
    """

    of: Literal["requests", "tokens"] = "requests"
    floor: float
    growth: float = 0.5
    per: float = 900.0
    every: float = 10.0
    memory: int = 6

    def __post_init__(self) -> None:
        _need(holds=self.floor * self.every >= 60, what="the ramp's floor must let one through in each window")
        _need(holds=self.growth >= 0 and self.per > 0, what="the ramp needs growth of 0 or more per a time above 0")
        _need(holds=self.memory >= 1, what="the ramp must remember one window or more")


class Capacity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hardware that saturates: nothing is refused (but by a full queue), everything takes longer.

    Attributes:
        slots: calls generated at once, the rest queue first in, first out; None for no bound.
        queue: calls that may wait; one more is refused as "busy" (Ollama). None for no bound (vLLM, llama.cpp).
        knee: calls at once up to which each runs at full speed; None for no bound. Beyond, each is
            `(running / knee) ** power` times slower, so throughput is flat for power 1 and falls for more.
        power: see *knee*.
    """

    slots: int | None = None
    queue: int | None = None
    knee: float | None = None
    power: float = 1.0

    def __post_init__(self) -> None:
        _need(holds=self.slots is None or self.slots > 0, what=f"capacity has {self.slots} slots; use 1 or more")
        _need(holds=self.queue is None or self.slots is not None, what="a queue needs slots to wait for")
        _need(holds=self.knee is None or self.knee > 0, what=f"the knee is {self.knee}; it must be above 0")


class Latency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long an answer takes: first token, then one more each *per_token* seconds.

    Attributes:
        first: seconds until the first token.
        per_token: seconds for each further output token.
        per_input_token: seconds of reading for each input token.
        spread: sigma of the lognormal factor on the whole.
        straggler_share: share of calls that take *straggler_factor* times as long.
        straggler_factor: see *straggler_share*.
        refusal: seconds until a refusal comes back.
    """

    first: float = 0.2
    per_token: float = 0.0
    per_input_token: float = 0.0
    spread: float = 0.0
    straggler_share: float = 0.0
    straggler_factor: float = 10.0
    refusal: float = 0.0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            _need(holds=0 <= value < inf, what=f"latency.{name} is {value}; it must be 0 or more")


class Lengths(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many tokens an answer has before `max_tokens` cuts it.

    Attributes:
        shape: "fixed" is always *tokens*; "lognormal" has that median and sigma *spread*; "pareto" has that minimum and
            the tail index *tail*: the smaller, the heavier.
        tokens: see *shape*.
        spread: see *shape*.
        tail: see *shape*; above 1.
        most: the longest answer.
    """

    shape: Literal["fixed", "lognormal", "pareto"] = "fixed"
    tokens: int = 16
    spread: float = 0.8
    tail: float = 2.0
    most: int = 8_192

    def __post_init__(self) -> None:
        _need(holds=1 <= self.tokens <= self.most, what=f"lengths.tokens is {self.tokens}; use 1 to {self.most}")
        _need(holds=self.tail > 1, what=f"lengths.tail is {self.tail}; at 1 or less the mean is infinite")


class Headers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the provider says about its limits, and whether it is true.

    Attributes:
        spelling: whose header names and formats; "auto" is Anthropic's for its API and OpenAI's for the rest.
        lag: the state shown is this many seconds old.
        lie: "double" and "half" scale limit and remaining, "full" always shows everything left, "unknown" shows -1,
            "past" shows resets that are over.
        when: is the state taken when the call is admitted, or when its answer begins?
        waits: the forms in which a refusal says how long to wait: `retry-after` in whole "seconds", "float" seconds or
            as a "date"; `retry-after-ms`; "text" in the message; "body" in Gemini's error details; or nonsense ("huge",
            "zero", "negative", "nan"). Empty: it does not say.
        words: does the text of a refusal name the "limit" with its size, as vendors do, or only the "kind": requests or
            tokens?
    """

    spelling: Spelling = "auto"
    lag: float = 0.0
    lie: Lie = "none"
    when: Literal["admission", "answer"] = "admission"
    waits: Sequence[WaitForm] = ("seconds", "text")
    words: Literal["limit", "kind"] = "limit"

    def __post_init__(self) -> None:
        _need(holds=0 <= self.lag < inf, what=f"headers.lag is {self.lag}; it must be 0 or more")


class FaultRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When something goes wrong. The first rule that hits decides; all of its conditions must hold.

    Attributes:
        kind: a fault or error by its name, see `brim.simulator.FAULTS` and `brim.simulator.ERRORS`.
        chance: how probable, 0 to 1; the same seed, request and try always meet the same luck.
        start: not before this many seconds.
        until: not from this many seconds on.
        match: only prompts that hold this text.
        ordinals: only the calls that arrive as these numbers, from 1.
        every: only each so-manyth call that arrives; 0 for any.
        times: only the first so-many tries of the same request; 0 for all.
        seconds: how long a slow fault takes, or what an error tells the client to wait.
    """

    kind: str
    chance: float = 1.0
    start: float = 0.0
    until: float = inf
    match: str = ""
    ordinals: Sequence[int] = ()
    every: int = 0
    times: int = 0
    seconds: float = 5.0

    def __post_init__(self) -> None:
        _need(holds=0 <= self.chance <= 1, what=f"fault {self.kind!r} has chance {self.chance}; use 0 to 1")
        _need(holds=0 < self.seconds < inf, what=f"fault {self.kind!r} takes {self.seconds} s; use more than 0")


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider from head to foot. The default has no limits, no faults and answers in 0.2 seconds.

    Attributes:
        name: for people.
        about: what it shows, in a line.
        vendor: whose error bodies and numbers; the Messages API is always Anthropic's.
        seed: what chance starts from.
        models: names that are served; empty for any.
        keys: keys that are good; empty for any key and none.
        context: tokens that input and answer may have together; None for no bound.
        max_body: bytes a request may have.
        limits: all must admit a call.
        changes: limits that change.
        rivals: other clients.
        ramp: the limiter of growth, if any.
        concurrency: calls at once from arrival to the end of the answer; one more is a 429 (DeepSeek). None for any.
        charging: what a call costs at admission. "openai": the larger of `max_tokens` and a count of characters;
            "openai-sum": prompt and `max_tokens`; "azure": the same by an estimate; "anthropic": input at the start,
            output as it is produced, cache reads free; "gemini": input only.
        assumed_output: `max_tokens` of a request that names none, for charging.
        refunds: is a reservation corrected to the true cost when the answer is complete?
        refusals_count: does a refused call use up a request?
        credit_tokens: tokens until the account is empty; None for never.
        capacity: how it saturates.
        latency: how long an answer takes.
        lengths: how long an answer is.
        headers: what it says about its limits.
        faults: what goes wrong.
        on_cancel: is an answer whose client left completed and billed, or stopped?
        answer: "digest" names the prompt by its digest and goes on with filler to the length drawn; "echo" gives the
            prompt back.
        tokens_per_char: input tokens for each character, by the provider's own count.
        stream_tokens: tokens in each piece of a stream.
    """

    name: str = "plain"
    about: str = ""
    vendor: Vendor = "openai"
    seed: int = 0
    models: Sequence[str] = ()
    keys: Sequence[str] = ()
    context: int | None = None
    max_body: int = 32 * 2**20
    limits: Sequence[Limit] = ()
    changes: Sequence[Change] = ()
    rivals: Sequence[Rival] = ()
    ramp: Ramp | None = None
    concurrency: int | None = None
    charging: Scheme = "openai"
    assumed_output: int = 16
    refunds: bool = False
    refusals_count: bool = False
    credit_tokens: int | None = None
    capacity: Capacity = Capacity()
    latency: Latency = Latency()
    lengths: Lengths = Lengths()
    headers: Headers = Headers()
    faults: Sequence[FaultRule] = ()
    on_cancel: Literal["completes", "stops"] = "completes"
    answer: Literal["digest", "echo"] = "digest"
    tokens_per_char: float = 0.25
    stream_tokens: int = 4

    def __post_init__(self) -> None:
        _need(holds=self.concurrency is None or self.concurrency > 0, what="concurrency must be 1 or more")
        _need(holds=self.tokens_per_char > 0, what="tokens_per_char must be above 0")
        _need(holds=self.stream_tokens >= 1, what="stream_tokens must be 1 or more")
