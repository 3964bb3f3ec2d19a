"""Push any number of LLM calls through rate-limited APIs at the full speed the limits allow, and lose none.

    import brim

    answer = brim.complete("ping", model="openai:gpt-6-luna")
    results = brim.complete_many(["ping", "pong"] * 100, model="openai:gpt-6-luna")
    texts = [result.text for result in results]  # None where a call failed for good

    async with brim.Client("anthropic:claude-haiku-5-5") as client:
        reply = await client.complete("ping")
        async for result in client.complete_each(prompts):
            ...
"""

from brim.config import Limits, Timeouts
from brim.errors import BrimError, CallFailed, ConfigError, InputError, JournalError
from brim.surfaces.client import Client, Options, Prompt, complete, complete_many
from brim.values import (
    Event,
    Failure,
    FailureKind,
    FinishReason,
    Reply,
    Request,
    Result,
    Usage,
)

__version__ = "0.1.0"

__all__ = [
    "BrimError",
    "CallFailed",
    "Client",
    "ConfigError",
    "Event",
    "Failure",
    "FailureKind",
    "FinishReason",
    "InputError",
    "JournalError",
    "Limits",
    "Options",
    "Prompt",
    "Reply",
    "Request",
    "Result",
    "Timeouts",
    "Usage",
    "complete",
    "complete_many",
]
