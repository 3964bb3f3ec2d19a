"""Push any number of LLM calls through rate-limited APIs at the full speed the limits allow, and lose none.

    import brim

    answer = brim.complete("ping", model="openai:gpt-6-luna")
    results = brim.complete_many(["ping", "pong"] * 100, model="openai:gpt-6-luna")
    texts = [result.text for result in results]  # None where a call failed for good

    async with brim.Client("anthropic:claude-haiku-5-5") as client:
        reply = await client.complete("ping")
        async for result in client.complete_each(prompts):
            ...
        async for piece in client.stream("Tell me a story"):
            ...

A single call that fails raises `CallFailed`; of many calls each has its own `Result`, failed or not.
"""

from brim.config import Limits, Timeouts, Window
from brim.errors import BrimError, CallFailed, ConfigError, InputError, JournalError
from brim.events import Event
from brim.protocols import Piece
from brim.surfaces.client import Client, Options, Prompt, complete, complete_many
from brim.surfaces.conversation import Conversation
from brim.surfaces.limiter import Limiter
from brim.surfaces.permit import Permit, Spend
from brim.surfaces.presets import preset
from brim.surfaces.streaming import AnswerStream
from brim.values import Failure, FailureKind, FinishReason, Reply, Request, Result, Usage

__version__ = "0.1.0"

__all__ = [
    "AnswerStream",
    "BrimError",
    "CallFailed",
    "Client",
    "ConfigError",
    "Conversation",
    "Event",
    "Failure",
    "FailureKind",
    "FinishReason",
    "InputError",
    "JournalError",
    "Limiter",
    "Limits",
    "Options",
    "Permit",
    "Piece",
    "Prompt",
    "Reply",
    "Request",
    "Result",
    "Spend",
    "Timeouts",
    "Usage",
    "Window",
    "complete",
    "complete_many",
    "preset",
]
