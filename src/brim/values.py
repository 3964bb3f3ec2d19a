"""The words of the house: what flows between the layers, frozen.

A request becomes attempts, an attempt ends as an outcome (a `Reply` or a `Failure`), and the last outcome makes the
request's `Result`; what observers are told stands in `brim.events`. Token counts are whole, durations in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, TypeAlias

import msgspec

__all__ = [
    "Answer",
    "Attempt",
    "Bound",
    "Constraint",
    "Dimension",
    "Failure",
    "FailureKind",
    "FinishReason",
    "Gauge",
    "GaugeSource",
    "LimitLevel",
    "Message",
    "Outcome",
    "Reply",
    "Request",
    "Result",
    "Sent",
    "Usage",
]

Message: TypeAlias = Mapping[str, Any]
"""One message of a conversation as the APIs write it: `{"role": ..., "content": ...}`, passed through untouched."""


class FailureKind(StrEnum):
    """What a failure means for the request that met it. Every kind belongs to exactly one of four fates."""

    THROTTLED = "throttled"
    """Sent too fast (429): waited out, never counted against the attempts."""
    OVERLOADED = "overloaded"
    """The provider has no capacity just now (503, 529): waited out."""
    TIMEOUT = "timeout"
    """One of our clocks ran out; the generation may be billed, so it is repeated fewer times."""
    CONNECTION = "connection"
    """No connection, or one that broke."""
    SERVER = "server"
    """The provider failed (5xx)."""
    MALFORMED = "malformed"
    """An answer that is none: HTML, cut JSON, no choices."""
    INVALID = "invalid"
    """The provider refuses the request as it stands."""
    TOO_LARGE = "too_large"
    """More tokens or bytes than the model, or the limit, can ever take."""
    REFUSED = "refused"
    """A content filter or the model itself refused."""
    QUOTA = "quota"
    """Out of credit or over a spending limit: will not heal by waiting."""
    DENIED = "denied"
    """Bad key, region or permission."""
    DAILY = "daily"
    """A limit per day is used up."""
    BUDGET = "budget"
    """What is left of the run's budget does not pay for the next call at its dearest."""
    UNKNOWN_MODEL = "unknown_model"
    """The endpoint does not serve this model: the command is wrong."""
    SAME_FAULT = "same_fault"
    """The first rows all failed in the same way: the command or the input is wrong."""
    STOPPED = "stopped"
    """The run ended before the request was answered: interrupted, out of time, or nothing got through for long."""

    @property
    def is_waited_out(self) -> bool:
        """Is the request repeated for as long as it takes, without using up its attempts?"""
        return self in _WAITED_OUT

    @property
    def is_retried(self) -> bool:
        """Is the request repeated, each time counted against its attempts?"""
        return self in _RETRIED

    @property
    def parks_lane(self) -> bool:
        """Does this stop the whole lane, its rows untouched?"""
        return self in _PARKS

    @property
    def ends_by_itself(self) -> bool:
        """Of what stops a lane: is it over when the server, or a stated limit, says so?"""
        return self in _ENDS


_WAITED_OUT: Final = frozenset({FailureKind.THROTTLED, FailureKind.OVERLOADED})
_RETRIED: Final = frozenset({FailureKind.TIMEOUT, FailureKind.CONNECTION, FailureKind.SERVER, FailureKind.MALFORMED})
_ENDS: Final = frozenset({FailureKind.DAILY, FailureKind.STOPPED})
_MENDED: Final = frozenset({FailureKind.QUOTA, FailureKind.DENIED, FailureKind.BUDGET})
_PARKS: Final = _ENDS | _MENDED | {FailureKind.UNKNOWN_MODEL, FailureKind.SAME_FAULT}


class FinishReason(StrEnum):
    """Why the model stopped, in one spelling for every provider."""

    STOP = "stop"
    """The answer is complete."""
    LENGTH = "length"
    """Cut by the token cap or the context window: truncated."""
    TOOL_CALLS = "tool_calls"
    """The model asks for a tool."""
    PAUSE = "pause"
    """A server-side tool turn paused (Anthropic's `pause_turn`)."""
    OTHER = "other"
    """A reason this version does not know."""


class Sent(StrEnum):
    """Whether the provider may have received a request whose answer never came."""

    NO = "no"
    """Nothing of it left this machine: repeating it is free."""
    MAYBE = "maybe"
    """It was on its way: repeating it may be paid twice."""
    YES = "yes"
    """The provider had begun to answer: it was executed, and most likely paid."""


class Usage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Tokens of one answer, as billed. Cached input is inside `input_tokens`, reasoning inside `output_tokens`."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


class Request(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One unit of work, the same across all of its attempts.

    Attributes:
        position: its place in the input, from 0.
        messages: the conversation to be answered, in the APIs' own form.
        params: further fields of the body (`temperature`, `tools`, ...), sent as they are.
        max_tokens: the cap on generated tokens; None sends none where the API allows. A cap among *params* wins.
        model: the model this request names; None for the lane's own.
        id: the caller's name for it, given back with the result.
        extra: fields of the input row that are none of ours, given back with the result.
    """

    position: int = 0
    messages: Sequence[Message]
    params: Mapping[str, Any] = {}
    max_tokens: int | None = None
    model: str | None = None
    id: str | int | None = None
    extra: Mapping[str, Any] = {}


class Attempt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One try of a request. *number* counts from 1; *body* is the encoded request, made once for all attempts."""

    request: Request
    number: int
    body: bytes


class Reply(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A good answer.

    Attributes:
        text: the visible text, all of its parts joined; empty for a pure tool call.
        finish_reason: why the model stopped.
        usage: tokens as the provider counted them; None where it does not say (some relays).
        model: the model that answered, as the provider names it.
        request_id: the provider's name for this answer, for its support desk.
        tool_calls: what the model asks to be called, in the provider's own form.
    """

    text: str
    finish_reason: FinishReason = FinishReason.STOP
    usage: Usage | None = None
    model: str | None = None
    request_id: str | None = None
    tool_calls: Sequence[Mapping[str, Any]] = ()

    @property
    def is_truncated(self) -> bool:
        """Was the answer cut by the token cap or the context window?"""
        return self.finish_reason is FinishReason.LENGTH


class Failure(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A classified bad end of an attempt.

    Attributes:
        kind: what it means for the request.
        message: what went wrong, for a person; never holds a key.
        status: the HTTP status, if there was an answer.
        code: the provider's own error code or type.
        retry_after: the wait the provider asks for, in seconds from the answer; None if it says nothing.
        is_reset: is that wait no more than when a limit, shown as used up, is whole again? Not if that takes hours.
        exact_wait: the wait that a header or the text names to the fraction of a second; 0 if none does.
        sent: may the provider have executed it?
        request_id: the provider's name for this answer.
        usage: tokens billed all the same (a refused answer), where the provider says so.
    """

    kind: FailureKind
    message: str
    status: int | None = None
    code: str | None = None
    retry_after: float | None = None
    is_reset: bool = False
    exact_wait: float = 0.0
    sent: Sent = Sent.YES
    request_id: str | None = None
    usage: Usage | None = None

    @property
    def may_be_paid(self) -> bool:
        """May the provider bill this attempt although it brought no answer?"""
        return self.kind in _PERHAPS_PAID and self.sent is not Sent.NO


_PERHAPS_PAID: Final = frozenset({FailureKind.TIMEOUT, FailureKind.CONNECTION, FailureKind.MALFORMED})

Outcome: TypeAlias = Reply | Failure
"""How an attempt ended."""


class Dimension(StrEnum):
    """What a limit counts."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    """Input and output together."""
    PROJECT_TOKENS = "project tokens"  # the same, within a project of the organization (OpenAI)
    INPUT_TOKENS = "input tokens"
    OUTPUT_TOKENS = "output tokens"


class LimitLevel(msgspec.Struct, frozen=True, gc=False):
    """What a server says about one of its limits. Nothing of it need be true.

    Attributes:
        dimension: what is counted.
        limit: how much there is per period; None if unknown.
        remaining: how much of it is left; None if unknown.
        reset_in: seconds until all of it is there again, at least 0; None if unknown.
        period_s: the period in seconds, above 0; None if the server does not name it.
    """

    dimension: Dimension
    limit: float | None
    remaining: float | None
    reset_in: float | None = None
    period_s: float | None = 60.0


class Constraint(StrEnum):
    """What keeps a lane from sending more just now."""

    SOURCE = "source"
    """Nothing waits to be sent: the input is not read fast enough, or all of it is on its way."""
    REQUESTS = "requests"
    """A rate of requests: stated, shown by the server or learnt."""
    TOKENS = "tokens"
    """A rate of tokens, input and output together."""
    INPUT_TOKENS = "input tokens"
    OUTPUT_TOKENS = "output tokens"
    WINDOW = "window"
    """A stated sliding window of requests."""
    DAY = "day"
    """A limit per day is used up, and the lane is parked."""
    BUDGET = "budget"
    """What is left of the budget may be needed for the calls on the wire: they have to come home first."""
    CONCURRENCY = "concurrency"
    """As many attempts are on the wire as may be: stated, or all that does any good."""
    OUTAGE = "outage"
    """The provider refused or failed, and the lane waits as it asked, or as long as seems right."""
    HELD = "held"
    """Paused by hand."""
    PARKED = "parked"
    """Stopped for good, in this run."""
    CPU = "cpu"
    """This process has no time left: its own work holds it up."""


class Bound(msgspec.Struct, frozen=True, gc=False):
    """What keeps a lane from sending more: the kind, and the *name* by which people know it ("requests a minute")."""

    constraint: Constraint
    name: str


class GaugeSource(StrEnum):
    """How a limit is known."""

    STATED = "stated"
    HEADERS = "headers"
    REFUSALS = "learnt from refusals"
    ANSWERS = "learnt from answers"


class Gauge(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How full one limit of a lane is.

    Attributes:
        name: as in `Bound.name`.
        limit: how much there may be; above 0.
        used: the share in use, 0 to 1: what was taken of a window or a level, the last minute of a rate, calls at once.
        unit: what is counted: "requests", "tokens", "input tokens", "output tokens" or "calls".
        period_s: over how many seconds; None for concurrency.
        source: how it is known.
    """

    name: str
    limit: float
    used: float
    unit: str
    period_s: float | None
    source: GaugeSource


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What came back from one attempt, and when by the engine's clock; both times are the same if nothing was sent.

    *levels* is what the server says of its limits. *was_sent* is false where admission said no. *is_excused* is true of
    a failure in an outage of the whole lane: it counts as no attempt. *rest_s*: so long its request has to rest.
    """

    outcome: Outcome
    sent_at: float
    ended_at: float
    levels: Sequence[LimitLevel] = ()
    was_sent: bool = True
    is_excused: bool = False
    rest_s: float = 0.0

    @property
    def latency_s(self) -> float:
        """From sending to the end of the answer."""
        return self.ended_at - self.sent_at


class Result(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of one request: the journal's unit.

    Attributes:
        request: the request.
        outcome: its last outcome.
        attempts: how often it was sent, throttled attempts and those in an outage not counted; 0 if it never was.
        throttles: how often it was waited out.
        perhaps_paid: attempts that brought nothing and may be billed all the same.
        latency_s: duration of the last attempt, from send to the end of the answer.
        started_at: when the last attempt was sent, in seconds since the epoch.
        cost_usd: price of the answer in US dollars; None where the model has no known price.
        fingerprint: names what was asked, see `brim.protocols.fingerprint`.
    """

    request: Request
    outcome: Outcome
    attempts: int = 0
    throttles: int = 0
    perhaps_paid: int = 0
    latency_s: float = 0.0
    started_at: float = 0.0
    cost_usd: float | None = None
    fingerprint: bytes = b""

    @property
    def reply(self) -> Reply | None:
        """The answer, or None if there is none."""
        return self.outcome if isinstance(self.outcome, Reply) else None

    @property
    def failure(self) -> Failure | None:
        """What went wrong, or None if nothing did."""
        return self.outcome if isinstance(self.outcome, Failure) else None

    @property
    def text(self) -> str | None:
        """The answer's text, or None where the request failed for good."""
        return self.outcome.text if isinstance(self.outcome, Reply) else None

    @property
    def is_untouched(self) -> bool:
        """Was the request left for another run, because its lane parked?"""
        return not isinstance(self.outcome, Reply) and self.outcome.kind.parks_lane
