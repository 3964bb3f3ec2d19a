"""Every dialect by its name. A new one is a line in `_DIALECTS`; see docs/how-to/add-a-dialect.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Final

from brim.errors import ConfigError
from brim.protocols import Dialect
from brim.protocols.anthropic import AnthropicMessages
from brim.protocols.openai import OpenAIChat
from brim.protocols.responses import OpenAIResponses

__all__ = ["DIALECT_NAMES", "find_dialect"]

# By the word before the colon in `--model`, and `--api`.
_DIALECTS: Final[Mapping[tuple[str, str], Callable[..., Dialect]]] = {
    ("openai", "chat"): OpenAIChat,
    ("openai", "responses"): OpenAIResponses,
    ("anthropic", "chat"): AnthropicMessages,
}

DIALECT_NAMES: Final = tuple(dict.fromkeys(name for name, _ in _DIALECTS))
"""What may stand before the colon in `--model`."""


def find_dialect(name: str, *, base_url: str | None, api: str = "chat", **settings: str) -> Dialect:
    """Make the dialect that speaks *name*'s API.

    Args:
        name: of the API, the word before the colon in `--model`.
        base_url: where its requests will go; None for the provider itself.
        api: which of the provider's APIs, as in `--api`; each has its "chat".
        settings: further settings of that dialect, such as Anthropic's `version` and `auth`.

    Raises:
        ConfigError: no such dialect, API or setting; the message lists those there are.
    """
    make = _DIALECTS.get((name, api))
    if make is None:
        raise ConfigError(_unknown(name, api))
    known = signature(make).parameters
    for setting in settings:
        if setting not in known:
            raise ConfigError(f"the dialect {name!r} has no setting {setting!r}; it has {', '.join(known)}")
    return make(base_url=base_url, **settings)


def _unknown(name: str, api: str) -> str:
    apis = [known for dialect, known in _DIALECTS if dialect == name]
    if apis:
        return f"the dialect {name!r} has no API {api!r}; it has {', '.join(apis)}"
    return f"there is no dialect {name!r}; there are {', '.join(DIALECT_NAMES)} (a model is written openai:NAME)"
