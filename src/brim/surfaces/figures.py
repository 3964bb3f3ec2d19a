"""Limits as people type them: `rpm`, `tpm`, ..., each of them given or left open.

One form for the flags, the settings file and the presets, so that they can be laid over each other: what is left open
shows what lies below. `brim.Limits` is what comes out in the end.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from brim.config import Limits, is_amount, should_be
from brim.errors import ConfigError
from brim.surfaces.params import parse_window

__all__ = ["FIGURES", "Figures"]


class Figures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Limits that are known, each under the name of its flag; None is left open.

    Attributes:
        rpm: requests a minute.
        tpm: tokens a minute, input and output together.
        itpm: input tokens a minute.
        otpm: output tokens a minute.
        rpd: requests in any 24 hours.
        tpd: tokens in any 24 hours.
        limit: sliding windows, as `40/60s`.
        concurrency: calls at once.
    """

    rpm: float | None = None
    tpm: float | None = None
    itpm: float | None = None
    otpm: float | None = None
    rpd: float | None = None
    tpd: float | None = None
    limit: list[str] | None = None
    concurrency: int | None = None

    @property
    def given(self) -> dict[str, Any]:
        """Those that are known, by name."""
        known = ((name, getattr(self, name)) for name in FIGURES)
        return {name: value for name, value in known if value is not None}

    def over(self, below: Figures) -> Figures:
        """These figures, and those of *below* where these are open."""
        return Figures(**{**below.given, **self.given})

    def limits(self, place: str = "") -> Limits:
        """The limits to keep. Raises `ConfigError` for a figure that can't be kept, with *place* before its name."""
        for name, value in self.given.items():
            if name in _FIELDS and not is_amount(value):
                shown = value if isinstance(value, int) else f"{value:g}"
                raise ConfigError(f"{place}{name} is {shown}; it must be {should_be(value)}")
        stated = {field: value for name, field in _FIELDS.items() if (value := getattr(self, name)) is not None}
        return Limits(windows=tuple(parse_window(text, name=f"{place}limit ") for text in self.limit or ()), **stated)


FIGURES: Final = Figures.__struct_fields__

_FIELDS: Final = {
    "rpm": "requests_per_minute",
    "tpm": "tokens_per_minute",
    "itpm": "input_tokens_per_minute",
    "otpm": "output_tokens_per_minute",
    "rpd": "requests_per_day",
    "tpd": "tokens_per_day",
    "concurrency": "concurrency",
}
