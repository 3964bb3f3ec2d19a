"""What a user declares: endpoints and limits. Validated once, here; everything after may trust it."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from brim.errors import ConfigError

__all__ = ["Endpoint", "Limits", "Secret", "Timeouts", "Window", "is_amount", "should_be"]

_LEAST: Final = 1e-9
_MOST: Final = 1e18
"""Between these arithmetic holds; what lies beyond is no limit that anybody has."""
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Secret:
    """A key that cannot be printed, pickled or formatted by mistake. Only `reveal` gives it out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not value.isascii() or not value.isprintable() or value != value.strip():
            raise ConfigError(
                "the API key holds a blank, a line break or a character no HTTP header can carry; "
                "copy it again without them"
            )
        self._value = value

    def reveal(self) -> str:
        """The key itself, for the one header that carries it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> str:
        raise TypeError("a Secret is never written anywhere")


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests go: one base URL, one credential, one dialect, one default model.

    Attributes:
        dialect: the name of the API spoken there ("openai", "anthropic").
        base_url: with or without a trailing `/v1`; http or https.
        model: the model of every request that names none; None if each request must.
        key: the credential; None where none is needed (a loopback server).
    """

    dialect: str
    base_url: str
    model: str | None
    key: Secret | None = None

    def __post_init__(self) -> None:
        parts = _split(self.base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(
                f"base URL {self.base_url!r} is no http or https URL; it should look like https://api.example.com/v1"
            )
        if parts.username or parts.password:
            raise ConfigError("the base URL holds a user name or password; give the key in its environment variable")

    @property
    def is_loopback(self) -> bool:
        """Is the server on this machine? Then no key is needed."""
        return _split(self.base_url).hostname in _LOOPBACK


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"base URL {url!r} can't be read: {error}") from None


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """So many requests in any stretch of so many seconds, wherever it begins.

    Attributes:
        requests: attempts, at least 1.
        seconds: length of the stretch, above 0.
    """

    requests: int
    seconds: float

    def __post_init__(self) -> None:
        if not _is_count(self.requests) or not is_amount(self.seconds):
            seconds = str(self.seconds).removesuffix(".0")
            raise ConfigError(
                f"limit {self.requests}/{seconds}s can't be kept; it needs 1 request or more, a whole number, and a "
                f"time above 0; neither is more than {_MOST:g}"
            )


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits a user states for each lane; None means "find out".

    Attributes:
        requests_per_minute: attempts a minute.
        tokens_per_minute: input and output tokens together a minute.
        input_tokens_per_minute: input tokens a minute.
        output_tokens_per_minute: output tokens a minute.
        requests_per_day: attempts in any 24 hours; when they are used up the lane parks.
        tokens_per_day: input and output tokens together in any 24 hours; when they are used up the lane parks.
        windows: sliding windows, each of which holds in every stretch of its length.
        concurrency: a ceiling for attempts on the wire at once, not a target.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    input_tokens_per_minute: float | None = None
    output_tokens_per_minute: float | None = None
    requests_per_day: float | None = None
    tokens_per_day: float | None = None
    windows: tuple[Window, ...] = ()
    concurrency: int = 1_000

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if name == "windows":
                if not isinstance(value, tuple | list) or not all(isinstance(each, Window) for each in value):
                    raise ConfigError(f"limit windows is {value!r}; it must be a tuple of brim.Window")
            elif name == "concurrency":
                if not _is_count(value):
                    raise ConfigError(f"limit concurrency is {value!r}; it must be a whole number above 0")
            elif value is not None and not is_amount(value):
                raise ConfigError(f"limit {name} is {value!r}; it must be {should_be(value)}")


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """The clocks of one attempt, in seconds.

    Attributes:
        connect: until the connection stands, TLS included.
        first: until the answer begins: the first piece of content of a stream (reasoning counts, a keep-alive does
            not), the first byte of a plain answer. None leaves that to the total.
        silence: between two pieces of an answer that has begun.
        total: the whole attempt; None learns it from the answers that come.
    """

    connect: float = 10.0
    first: float | None = None
    silence: float = 120.0
    total: float | None = None

    def __post_init__(self) -> None:
        for name in ("connect", "first", "silence", "total"):
            value = getattr(self, name)
            if value is not None and not is_amount(value):
                raise ConfigError(f"timeout {name} is {value!r}; it must be a number of seconds above 0")


def is_amount(value: Any) -> bool:
    """Is it a number above 0 that can be kept as a limit?"""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return is_number and _LEAST <= value <= _MOST


def should_be(value: Any) -> str:
    """What a limit should be that can't be *value*, in words."""
    is_extreme = isinstance(value, int | float) and value is not True and 0 < value < float("inf")
    return f"a number from {_LEAST:g} to {_MOST:g}" if is_extreme else "a number above 0"


def _is_count(value: Any) -> bool:
    return isinstance(value, Integral) and is_amount(value)
