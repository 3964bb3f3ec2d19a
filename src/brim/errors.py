"""The exceptions of brim. A failed call is a value (`brim.Failure`), so there are few."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from brim.values import Failure

__all__ = ["BrimError", "CallFailed", "ConfigError", "InputError", "JournalError"]


class BrimError(Exception):
    """Base of everything brim raises on purpose."""


class ConfigError(BrimError):
    """A setting is wrong: the message says which, and what to do."""


class InputError(BrimError):
    """A row of the input can't be read: the message says file, line and field."""


class JournalError(BrimError):
    """The journal can't be used or written. Results that were already recorded stay in it."""


class CallFailed(BrimError):
    """A single call (`complete`) ended without an answer, or a `Limiter` can't let one go. *failure* says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.kind}: {failure.message}")
        self.failure = failure

    @staticmethod
    def of(failure: Failure) -> CallFailed:
        """The exception for *failure*: a `TimeoutError` or `ConnectionError` too where it was one."""
        return _BY_KIND.get(failure.kind, CallFailed)(failure)


class CallTimedOut(CallFailed, TimeoutError):
    """A single call ended because one of its clocks ran out."""


class CallDisconnected(CallFailed, ConnectionError):
    """A single call ended because it got no connection, or lost it."""


_BY_KIND: Final[dict[str, type[CallFailed]]] = {"timeout": CallTimedOut, "connection": CallDisconnected}
