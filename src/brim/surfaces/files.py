"""Every connection is an open file, and a process may have only so many: 256 by default on macOS, 1,024 on Linux."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

try:
    import resource
except ImportError:  # Windows, which has no such limit to speak of
    resource = None  # type: ignore[assignment]

__all__ = ["lift_limit", "most_connections"]

_ENOUGH: Final = 10_240
"""What macOS lets any process have, whatever it calls unlimited."""
_OURS: Final = 64
"""Files that are no connections: the input, the journal, what the interpreter and the loop have open."""


def lift_limit() -> None:
    """Have as many open files as the system lets this process have, for good."""
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections() -> int | None:
    """How many connections this process may have at once, at least 1; None if nothing limits them."""
    if resource is None:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else max(1, soft - _OURS)
