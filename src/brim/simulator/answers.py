"""A good answer before it is put into anyone's format, and the odd answers that are no failure on the wire.

The three wire modules turn an `Answer` into bytes; whatever is odd about it (no choices, a refusal, no usage) is said
here once and spelled by each.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Literal, TypeAlias

import msgspec

__all__ = ["ODDITIES", "Answer", "Finish"]

Finish: TypeAlias = Literal["stop", "length", "window", "filter", "refusal", "no_resource", "error"]

_REFUSAL: Final = "I'm sorry, but I can't help with that."


class Answer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the model said and what it cost.

    Attributes:
        id: 24 characters that name it; each API puts its own prefix before.
        model: who answers.
        created: seconds since the epoch.
        text: the words; None for a null.
        finish: why it ended; None for a null.
        refusal: what the model says instead of answering.
        input_tokens: all input, the cached included.
        output_tokens: all output.
        cache_read: input read from the cache.
        cache_write: input written to it.
        copies: how often the answer is given (`n`).
        cap: the cap on output tokens, where the API repeats it.
        has_usage: is the usage told?
        is_empty: are the choices, blocks or items left out?
    """

    id: str
    model: str
    created: int
    text: str | None
    finish: Finish | None = "stop"
    refusal: str | None = None
    input_tokens: int
    output_tokens: int
    cache_read: int = 0
    cache_write: int = 0
    copies: int = 1
    cap: int | None = None
    has_usage: bool = True
    is_empty: bool = False


_ODD: Final[dict[str, dict[str, Any]]] = {
    "empty_choices": {"is_empty": True},
    "null_content": {"text": None},
    "null_finish": {"finish": None},
    "no_usage": {"has_usage": False},
    "refusal": {"text": "", "refusal": _REFUSAL, "finish": "refusal"},
    "filtered": {"finish": "filter"},
    "no_resource": {"finish": "no_resource"},
    "failed_answer": {"finish": "error"},
}

ODDITIES: Final[dict[str, Callable[[Answer], Answer]]] = {
    name: partial(msgspec.structs.replace, **changes) for name, changes in _ODD.items()
}
"""How a 200 answer can be odd, by the name of the fault."""
