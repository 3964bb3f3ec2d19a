"""The limiter alone: brim's admission for any function of the user's, with the engine's own guarantees.

All deciding is the engine's limiter, the very one that holds a lane; here is its face. Calls go first in, first out;
whatever one raises passes through untouched, and its slot is free again. A limiter lives in one event loop at a time:
when that is closed, the next one takes it over with all it knows. Threads hand over to its loop, or to one of brim's
own where there is none. A process that is forked off begins anew: the loops and threads of its parent are not its own.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial, wraps
from random import Random
from types import TracebackType
from typing import Any, Final, ParamSpec, TypeVar, Unpack, cast, overload
from weakref import WeakSet

from brim.config import Limits
from brim.engine.limiter import Limiter as Engine
from brim.errors import CallFailed, ConfigError
from brim.policies.tokens import Cost
from brim.surfaces.permit import Permit, Reader, Spend, SpendLike, Throttled, Usual, as_spend
from brim.surfaces.rates import Rate, read_limits
from brim.surfaces.threads import STANDS_STILL, LoopThread, is_in_loop, wait_for
from brim.values import Failure

__all__ = ["Hold", "Limiter"]

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Limiter:
    """Lets calls go as fast as limits allow, one by one in the order in which they came.

    What you state is kept; what you don't is found out, from the headers of responses and from refusals.

    Args:
        requests: calls in a time, as `"50/min"`, `"5/s"`, `"1000/day"`, or several of these in a list. Spread evenly.
        tokens: input and output tokens together, likewise.
        input_tokens: input tokens, by the second or minute.
        output_tokens: output tokens, by the second or minute.
        limit: calls in *every* stretch of a time, wherever it begins, as `"40/60s"`, or several of these.
        concurrency: a ceiling for calls at once, not a target; 1,000 by default.
        limits: the same as a `brim.Limits`, or the name of a preset, as `brim limits` lists them, that has the same
            figures for all models; what is stated by name besides wins.
        throttled: which of your exceptions say "too fast". Those that carry a status or a response (the official SDKs',
            aiohttp's, httpx's, requests' and botocore's) are understood without.
        used: what a result took, None if it doesn't say; by default its `usage`, as the official SDKs spell it.
        on_pause: told the seconds and the reason whenever all calls have to wait for the server; must not block.
        wall: seconds since the epoch, for tests.
        seed: fixes the jitter, for tests.

    Raises:
        ConfigError: an amount can't be read or kept, there is no such preset, or what should be called can't be.
    """

    def __init__(
        self,
        *,
        requests: Rate | None = None,
        tokens: Rate | None = None,
        input_tokens: Rate | None = None,
        output_tokens: Rate | None = None,
        limit: str | Sequence[str] = (),
        concurrency: int | None = None,
        limits: Limits | str | None = None,
        throttled: Throttled | None = None,
        used: Callable[[Any], SpendLike | None] | None = None,
        on_pause: Callable[[float, Failure], None] | None = None,
        wall: Callable[[], float] = time.time,
        seed: int | None = None,
    ) -> None:
        self.limits = read_limits(
            limits,
            concurrency=concurrency,
            limit=limit,
            requests=requests,
            tokens=tokens,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
        )
        if on_pause is not None and not callable(on_pause):
            raise ConfigError(f"on_pause={on_pause!r} should be a function that is given the seconds and the reason")
        self._reader = Reader(throttled, used, wall)
        self._usual = Usual(self.limits)
        self._on_pause = on_pause or _ignore
        self._rng = Random(seed)
        self._begin_anew()
        _limiters.add(self)

    def _begin_anew(self) -> None:
        """Forget every loop, and what was sent: at the beginning, and in a process that is forked off."""
        self._engine: Engine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turns: set[Hold] = set()
        self._moving = threading.Lock()

    @overload
    async def call(
        self, fn: Callable[..., Awaitable[T]], /, *args: Any, cost: SpendLike | None, **kwargs: Any
    ) -> T: ...
    @overload
    async def call(self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    async def call(self, fn: Callable[..., T], /, *args: Any, cost: SpendLike | None, **kwargs: Any) -> T: ...
    @overload
    async def call(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    async def call(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call *fn* when it is its turn, and give what it gives; an awaitable is awaited.

        A plain function runs in the event loop, as callbacks do; one that blocks is called as
        `call(asyncio.to_thread, fn, ...)`. Usage, headers and a refusal in what comes back are noticed.

        Args:
            fn: what to call.
            args: its arguments.
            kwargs: its arguments by name. One named `cost` is the limiter's: the tokens that the call takes, a number
                or a `Spend`; as usual if not given.

        Raises:
            CallFailed: it needs more than a limit ever gives (`too_large`), or a limit a day is used up (`daily`, with
                `failure.retry_after`). It was not called.
        """
        async with self.hold(**as_spend(kwargs.pop("cost", None))) as permit:
            result = fn(*args, **kwargs)
            if inspect.isawaitable(result):
                result = await result
            permit.take(result)
        return result

    def call_sync(self, fn: Callable[..., T], /, *args: Any, cost: SpendLike | None = None, **kwargs: Any) -> T:
        """Call a plain *fn* when it is its turn, from a thread; else like `call`.

        Raises:
            CallFailed: see `call`.
            RuntimeError: an event loop runs in this thread, and would stand still; or the limiter's loop does.
            TypeError: *fn* is a coroutine function, whose work begins when it is awaited.
        """
        with self.hold(**as_spend(cost)) as permit:
            result = fn(*args, **kwargs)
            if inspect.iscoroutine(result):
                result.close()
                raise TypeError(f"{_name_of(fn)} gives a coroutine, whose work begins later; await limiter.call")
            permit.take(result)
        return result

    def hold(self, **spend: Unpack[Spend]) -> Hold:
        """A turn as a context: `async with limiter.hold(tokens=900) as permit:`, or plain `with` in a thread.

        See `call` for what is raised on entering.
        """
        return Hold(self, spend, self._usual.fill(spend))

    @overload
    def limit(self, fn: F, /) -> F: ...
    @overload
    def limit(
        self, fn: None = None, /, *, cost: SpendLike | Callable[..., SpendLike] | None = None
    ) -> Callable[[F], F]: ...
    def limit(
        self, fn: Callable[..., Any] | None = None, /, *, cost: SpendLike | Callable[..., SpendLike] | None = None
    ) -> Any:
        """Decorate a function so that each of its calls waits for its turn: `@limiter.limit`.

        Args:
            fn: a coroutine function, or a plain one that is called from threads.
            cost: the tokens of a call, or a function that is given the call's arguments and says so.

        Raises:
            ConfigError: the cost is none.
            TypeError: it is a generator, whose work begins after the call; use `hold` in it. Or it is no function.
        """
        if not callable(cost):
            try:
                self._usual.fill(as_spend(cost))
            except (TypeError, ValueError) as error:
                raise ConfigError(f"cost={cost!r}: {error}") from None
        if fn is None:
            return partial(self._limited, cost=cost)
        return self._limited(fn, cost=cost)

    def binding(self) -> str | None:
        """What holds up the next call: the name of a limit, `concurrency`, a pause; None if nothing does."""
        return None if self._engine is None else self._engine.binding()

    def _limited(self, fn: F, *, cost: SpendLike | Callable[..., SpendLike] | None) -> F:
        if isinstance(fn, staticmethod | classmethod):
            raise TypeError(f"{_name_of(fn)}: write @limiter.limit below @{type(fn).__name__}, next to the function")
        if not callable(fn):
            raise TypeError(f"limiter.limit decorates functions; {fn!r} is none")
        work = _work_of(fn)
        if inspect.isasyncgenfunction(work) or inspect.isgeneratorfunction(work):
            raise TypeError(f"{_name_of(fn)} is a generator: its work begins after the call; use limiter.hold in it")

        def cost_of(*args: Any, **kwargs: Any) -> Spend:
            return as_spend(cost(*args, **kwargs) if callable(cost) else cost)

        @wraps(fn)
        async def wait_and_call(*args: Any, **kwargs: Any) -> Any:
            return await self.call(partial(fn, *args, **kwargs), cost=cost_of(*args, **kwargs))

        @wraps(fn)
        def block_and_call(*args: Any, **kwargs: Any) -> Any:
            return self.call_sync(partial(fn, *args, **kwargs), cost=cost_of(*args, **kwargs))

        return cast("F", wait_and_call if inspect.iscoroutinefunction(work) else block_and_call)

    async def _admit(self, known: Spend, cost: Cost) -> Permit:
        admitted = await self._here().admit_cost(cost)
        if isinstance(admitted, Failure):
            raise CallFailed.of(admitted)
        permit = Permit(admitted, known, self._reader, self._usual)
        self._began(permit)
        return permit

    def _began(self, permit: Permit) -> None:
        """A call goes that was admitted before: a task, or a thread, may have been woken late."""
        if self.limits.windows and self._engine is not None:
            permit._tell_start(self._engine.arrivals)  # noqa: SLF001 - one face, several classes

    def _here(self) -> Engine:
        """The engine's limiter in the running loop."""
        loop = asyncio.get_running_loop()
        if loop is self._loop and self._engine is not None:
            return self._engine
        with self._moving:
            if self._loop is not None and loop is not self._loop and not self._loop.is_closed():
                raise RuntimeError(
                    "this limiter is in use in another event loop, or in threads; "
                    "make one for each loop, or use it in one place only"
                )
            self._loop = loop
            if self._engine is None:
                self._engine = Engine(self.limits, rng=self._rng, on_pause=self._on_pause, on_park=None)
            else:
                self._engine.move(loop)
                for turn in tuple(self._turns):
                    turn._end_unheard()  # noqa: SLF001 - one face, two classes
        return self._engine

    def _home(self) -> asyncio.AbstractEventLoop:
        """The loop that a thread hands over to."""
        with self._moving:
            if self._loop is None or self._loop.is_closed():
                return _thread.loop()
            return self._loop

    def __repr__(self) -> str:
        return f"brim.Limiter({self._engine!r})"


class Hold:
    """A turn under way: waits on entering, settles and gives the slot back on leaving. One at a time may be in it."""

    __slots__ = ("_cost", "_known", "_limiter", "_loop", "_permit", "_taken")

    def __init__(self, limiter: Limiter, known: Spend, cost: Cost) -> None:
        self._limiter = limiter
        self._known = known
        self._cost = cost
        self._permit: Permit | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._taken = threading.Lock()

    async def __aenter__(self) -> Permit:
        self._take()
        permit = await self._wait()
        self._limiter._turns.add(self)  # noqa: SLF001 - one face, two classes
        return permit

    def _take(self) -> None:
        if not self._taken.acquire(blocking=False):
            raise RuntimeError("this turn is held, or waited for, already; call limiter.hold for each one")

    async def _wait(self) -> Permit:
        try:
            self._permit = await self._limiter._admit(self._known, self._cost)  # noqa: SLF001 - one face, two classes
        except BaseException:
            self._taken.release()
            raise
        return self._permit

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(error)

    def __enter__(self) -> Permit:
        if is_in_loop():
            raise RuntimeError("an event loop runs in this thread and would stand still; use `async with` or `call`")
        self._loop = self._limiter._home()  # noqa: SLF001 - one face, two classes
        if not self._loop.is_running():
            raise RuntimeError(STANDS_STILL)
        self._take()
        waiting = asyncio.run_coroutine_threadsafe(self._wait(), self._loop)
        try:
            wait_for(waiting, self._loop)
            permit = waiting.result()
        except BaseException as error:
            # Interrupted: whoever waits stops waiting, and a permit already on its way goes back.
            if not self._loop.is_closed():
                waiting.cancel()
                with suppress(RuntimeError):  # closed in this moment
                    self._loop.call_soon_threadsafe(self._leave, error)
            raise
        permit._start()  # noqa: SLF001 - one face, several classes
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._limiter._began, permit)  # noqa: SLF001
        return permit

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None, "entered before"
        left: Future[None] = Future()

        def leave() -> None:
            try:
                self._leave(error)
                left.set_result(None)
            except BaseException as mistake:  # noqa: BLE001 - whatever it is belongs to the thread
                left.set_exception(mistake)

        try:
            # No task: those are cancelled when a loop ends.
            self._loop.call_soon_threadsafe(leave)
            wait_for(left, self._loop)
        except RuntimeError:  # it ended meanwhile
            self._leave(error)
            return
        left.result()

    def _leave(self, error: BaseException | None) -> None:
        permit = self._let_go()
        if permit is not None:
            permit._close(error)  # noqa: SLF001 - one face, two classes

    def _end_unheard(self) -> None:
        """The loop in which it was held is closed: nothing runs there any more, and nobody will leave it."""
        permit = self._let_go()
        if permit is not None:
            permit._lose()  # noqa: SLF001 - one face, two classes

    def _let_go(self) -> Permit | None:
        permit, self._permit = self._permit, None
        if permit is not None:
            self._limiter._turns.discard(self)  # noqa: SLF001 - one face, two classes
            self._taken.release()
        return permit


def _work_of(fn: Any) -> Any:
    """What runs when *fn* is called: of an object its `__call__`."""
    while isinstance(fn, partial):
        fn = fn.func
    is_object = not (isinstance(fn, type) or inspect.isroutine(fn) or inspect.iscoroutinefunction(fn))
    return fn.__call__ if is_object else fn


def _name_of(fn: Any) -> str:
    return str(getattr(fn, "__name__", repr(fn)))


_thread: Final = LoopThread()
_limiters: Final[WeakSet[Limiter]] = WeakSet()


def _forget_parent() -> None:
    """This process was forked off: it has its parent's objects, and none of its threads."""
    _thread.begin_anew()
    for limiter in tuple(_limiters):
        limiter._begin_anew()  # noqa: SLF001 - of this very module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)


def _ignore(_seconds: float, _failure: Failure) -> None:
    """Nobody listens."""
