"""Whether anything comes back at all: calls leave at a rate, and an endpoint that hangs would be sent all there is."""

from __future__ import annotations

from typing import Final

__all__ = ["Silence"]

_CALLS: Final = 8
"""So many calls must be waited for, all of them..."""
_LEAST_S: Final = 10.0
_TYPICAL: Final = 3.0
"""... for so many times as long as answers take, and so many seconds at least."""
_ANSWERS: Final = 16
"""After so many answers it is known how long they take."""
_RECENT: Final = 1 / 128
_PATIENCE: Final = 2.0
"""Where an answer came after all, the next time is so many times as far."""


class Silence:
    """For how long nothing has come back."""

    __slots__ = ("_answers", "_patience_s", "_sent")

    def __init__(self) -> None:
        self._answers = 0
        self._patience_s = 0.0
        self._sent: list[float] = []

    @property
    def since(self) -> float:
        """When the first was sent of those that are waited for."""
        return self._sent[0]

    def went(self, now: float, typical_s: float) -> bool:
        """An attempt goes, and answers take *typical_s*. Are all others waited for for too long?"""
        if len(self._sent) < _CALLS:
            self._sent.append(now)
            return False
        longest = max(_LEAST_S, _TYPICAL * typical_s, self._patience_s)
        return self._answers >= _ANSWERS and now - self._sent[-1] > longest

    def broken(self) -> None:
        """An attempt is over."""
        if self._sent:
            self._sent.clear()

    def answered(self) -> None:
        """It was an answer."""
        self._answers += 1
        self._patience_s -= self._patience_s * _RECENT

    def ended(self, took: float) -> None:
        """It was too long, and ended with an answer that *took* so many seconds."""
        self._patience_s = _PATIENCE * took
