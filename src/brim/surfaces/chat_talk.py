"""A talk with a model: questions go out with the history, answers come in pieces, and both are kept.

It knows neither keys nor commands. A question that found no answer is taken back, so that the history stays one that
every API accepts, and is kept for another try. An answer that was stopped half-way counts as far as it came.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from typing import Any, Final, Protocol, Self, TypeAlias

from brim.errors import BrimError, CallFailed
from brim.events import AttemptEnded, Event, LanePaused
from brim.surfaces.chat_screen import Answering, ChatScreen
from brim.surfaces.conversation import Conversation
from brim.surfaces.screen import duration, money, one_line, reason
from brim.values import Failure, Message, Reply, Result, Usage

__all__ = ["Connect", "Model", "Piece", "Streaming", "Talk", "Totals"]

Content: TypeAlias = str | Sequence[Mapping[str, Any]]


class Piece(Protocol):
    """A piece of an answer."""

    @property
    def text(self) -> str:
        """What it adds to the answer, maybe nothing."""

    @property
    def reasoning(self) -> str:
        """What it adds to the model's thoughts, maybe nothing."""


class Streaming(Protocol):
    """An answer that comes in pieces; `reply` and `result` are all of it once it has ended."""

    @property
    def reply(self) -> Reply:
        """The whole answer."""

    @property
    def result(self) -> Result:
        """What became of the question, its cost included."""

    def __aiter__(self) -> AsyncIterator[Piece]: ...


class Model(Protocol):
    """What a talk asks of a client."""

    def stream(self, prompt: list[Message], /) -> AbstractAsyncContextManager[Streaming]:
        """Answer in pieces. Raises `CallFailed`."""


Connect: TypeAlias = Callable[[str, Callable[[Event], None]], AbstractAsyncContextManager[Model]]
"""Reaches the model of that name, and tells events to the callable."""

Watch: TypeAlias = Callable[[Callable[[], object]], AbstractContextManager[None]]
"""Calls the callable at every Ctrl-C inside a `with` block."""


class Totals:
    """What a chat has used so far. *cost_usd* is None as long as no price is known."""

    def __init__(self) -> None:
        self.answers = 0
        self.unanswered = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.cost_usd: float | None = None

    def add(self, usage: Usage | None, cost_usd: float | None) -> None:
        """Count an answer."""
        self.answers += 1
        if usage is not None:
            self.input_tokens += usage.input_tokens
            self.output_tokens += usage.output_tokens
        if cost_usd is not None:
            self.cost_usd = (self.cost_usd or 0.0) + cost_usd


class Talk:
    """A conversation with whatever model is named.

    Use it as an async context manager: entering reaches the model, and raises what `Client` raises if it can't.

    Args:
        model: the model's name, see `Client`.
        connect: reaches a model.
        bound: how many tokens of history a model is sent.
        conversation: what was said before.
        screen: where answers are shown.
        watch: how to hear of Ctrl-C.
    """

    def __init__(
        self,
        *,
        model: str,
        connect: Connect,
        bound: Callable[[str], int],
        conversation: Conversation,
        screen: ChatScreen,
        watch: Watch,
    ) -> None:
        self.model = model
        self.conversation = conversation
        self.screen = screen
        self.totals = Totals()
        self._connect = connect
        self._bound = bound
        self._watch = watch
        self._connection = AsyncExitStack()
        self._client: Model | None = None
        self._is_parked = False
        self._unanswered: Content | None = None

    async def __aenter__(self) -> Self:
        if not await self._until_stopped(self._reach(self.model)):
            raise KeyboardInterrupt
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.aclose()

    async def switch(self, model: str) -> None:
        """Go on with another model; the old one stays if that can't be reached, which raises what `Client` raises."""
        if not await self._until_stopped(self._reach(model)):
            self.screen.note("stopped")

    def restore(self, conversation: Conversation) -> None:
        """Go on with another conversation."""
        conversation.max_tokens = self._bound(self.model)
        self.conversation = conversation
        self._unanswered = None

    def clear(self) -> None:
        """Begin anew. The system prompt stays."""
        self.conversation.clear()
        self._unanswered = None

    async def ask(self, content: Content) -> None:
        """Ask, and show the answer. What goes wrong is shown and not raised."""
        dropped = self.conversation.dropped
        self.conversation.add_user(content)
        self._unanswered = content
        if self.conversation.dropped > dropped:
            self.screen.note(f"(the oldest {_turns(self.conversation.dropped)} no longer sent: {self._fill})")
        said: list[str] = []
        try:
            is_whole = await self._until_stopped(self._answer(said))
        except BrimError as error:
            self._fail(error)
        else:
            if not is_whole:
                self._keep("".join(said))
                self.screen.note("stopped; /retry asks again")

    async def ask_again(self) -> bool:
        """Ask the last question once more; its old answer is forgotten. False if there is none."""
        content = self._unanswered
        if content is None:
            turn = self.conversation.take_back()
            if not turn:
                return False
            content = turn[0]["content"]
        await self.ask(content)
        return True

    @property
    def _fill(self) -> str:
        return f"about {self.conversation.tokens:,} of {self.conversation.max_tokens:,} tokens"

    def state(self) -> str:
        """How much history there is, in words."""
        dropped = self.conversation.dropped
        left_out = f", the oldest {_turns(dropped)} no longer sent" if dropped else ""
        return f"{_turns(self.conversation.turns, '')} so far, {self._fill}{left_out}"

    async def _reach(self, model: str) -> None:
        connection = AsyncExitStack()
        with self.screen.busy(f"reaching {model}"):
            client = await connection.enter_async_context(self._connect(model, self._on_event))
        old, self._connection = self._connection, connection
        self._client, self.model, self._is_parked = client, model, False
        self.conversation.max_tokens = self._bound(model)
        await old.aclose()

    async def _answer(self, said: list[str]) -> None:
        if self._is_parked:  # its lane sends nothing more; a new one may, now that credit was added or a key mended
            await self._reach(self.model)
        assert self._client is not None, "a talk is entered first"
        started_at = asyncio.get_running_loop().time()
        with self.screen.answer() as shown:
            async with self._client.stream(self.conversation.messages) as stream:
                first_at = await _show(stream, shown, said)
            reply, cost_usd = stream.reply, stream.result.cost_usd
        ended_at = asyncio.get_running_loop().time()
        self.totals.add(reply.usage, cost_usd)
        self._keep(reply.text or "".join(said))
        if reply.tool_calls:
            self.screen.note("the model asks for a tool; brim chat runs none")
        elif self._unanswered is not None:
            self.screen.note("the answer is empty; /retry asks again")
        first_s, all_s = (first_at or ended_at) - started_at, ended_at - started_at
        self.screen.note("; ".join(_facts(reply, cost_usd, first_s=first_s, all_s=all_s)))

    def _keep(self, text: str) -> None:
        """Keep an answer, or take the question back if there is none."""
        if text.strip():
            self.conversation.add({"role": "assistant", "content": text})
            self._unanswered = None
        else:
            self.conversation.take_back()

    def _fail(self, error: BrimError) -> None:
        self.conversation.take_back()
        self.totals.unanswered += 1
        if isinstance(error, CallFailed):
            self._is_parked = error.failure.kind.parks_lane
            self.screen.error(f"{reason(error.failure, _LONGEST)} (/retry asks again)")
        else:
            self.screen.error(one_line(str(error), _LONGEST))

    async def _until_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do *work* until it is done, or until Ctrl-C stops it. Returns whether it is done."""
        task = asyncio.ensure_future(work)
        with self._watch(task.cancel):
            try:
                await task
            except asyncio.CancelledError:
                current = asyncio.current_task()
                if not task.cancelled() or (current is not None and current.cancelling()):
                    raise  # somebody ends the chat itself
                return False
        return True

    def _on_event(self, event: Event) -> None:
        """Say why it takes long."""
        match event:
            case LanePaused(seconds=seconds, failure=failure) if seconds > 0:
                self.screen.note(f"waits {duration(seconds)}: {reason(failure, _LONGEST)}")
            case AttemptEnded(outcome=Failure() as failure, retry_in=float(seconds)) if not failure.kind.is_waited_out:
                self.screen.note(f"tries again in {duration(seconds)}: {reason(failure, _LONGEST)}")
            case _:
                pass


_LONGEST: Final = 300
"""Characters of what a provider says went wrong."""


async def _show(stream: Streaming, shown: Answering, said: list[str]) -> float | None:
    """Show the answer as it comes and keep what was said. Returns when the first piece came."""
    first_at: float | None = None
    async for piece in stream:
        if first_at is None and (piece.text or piece.reasoning):
            first_at = asyncio.get_running_loop().time()
        if piece.reasoning:
            shown.reasoning(piece.reasoning)
        if piece.text:
            said.append(piece.text)
            shown.text(piece.text)
    return first_at


def _facts(reply: Reply, cost_usd: float | None, *, first_s: float, all_s: float) -> list[str]:
    """What an answer took."""
    facts: list[str] = []
    if reply.usage is not None:
        thinking = f" ({reply.usage.reasoning_tokens:,} of them reasoning)" if reply.usage.reasoning_tokens else ""
        facts.append(f"{reply.usage.input_tokens:,} tokens in, {reply.usage.output_tokens:,} out{thinking}")
    facts.append(f"first word after {_seconds(first_s)}, all after {_seconds(all_s)}")
    if cost_usd is not None:
        facts.append(money(cost_usd))
    if reply.is_truncated:
        facts.append("cut by the token cap or the context window")
    return facts


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)


def _turns(count: int, verb: str | None = None) -> str:
    if verb is None:
        verb = " is" if count == 1 else "s are"
        return f"turn{verb}" if count == 1 else f"{count} turn{verb}"
    return f"{count} turn" if count == 1 else f"{count} turns"
