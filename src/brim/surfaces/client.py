"""The library's entry: a client that wires endpoint, dialect, transport and lanes into one path.

`complete` and `complete_many` are the same client for programs that are not asynchronous; they work where an event
loop is running already, in a notebook, by using a thread of their own.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, Unpack

import msgspec

from brim.config import Limits, Timeouts
from brim.engine.budget import Till
from brim.engine.lane import Lane, Settings
from brim.engine.path import Path, Prepared, fulfil
from brim.engine.run import Run
from brim.engine.sampler import Sampler
from brim.engine.strategies import Strategies
from brim.errors import CallFailed, ConfigError, InputError
from brim.events import Event
from brim.policies.prices import Price, price_of
from brim.policies.retry import MAX_ATTEMPTS
from brim.storage.trace import TraceFile
from brim.storage.use import Ledger
from brim.surfaces.client_options import Options, check_kinds, check_names
from brim.surfaces.costs import Costs
from brim.surfaces.endpoints import LOCAL, resolve, split_model
from brim.surfaces.files import most_connections
from brim.surfaces.lane_limits import limits_of
from brim.surfaces.loops import run_loop
from brim.surfaces.prompts import Prompt, as_request, check_prompts, names_models, turns_of, unsendable
from brim.surfaces.reading import Reading
from brim.surfaces.streaming import AnswerStream, Inbox
from brim.values import Failure, FailureKind, Reply, Request, Result

if TYPE_CHECKING:
    from types import TracebackType

    from brim.local import LocalModel
    from brim.transport import Transport

__all__ = ["Client", "Options", "Prompt", "complete", "complete_many"]

_UNREAD: Final = 1_000
"""Results that wait to be taken before `complete_each` stops reading its source."""

T = TypeVar("T")


class Client:
    """Sends requests to one endpoint, a lane for each model.

    Use it as an async context manager. What is under way when that is left ends with a failure (`stopped`).

    Args:
        model: `[openai:|anthropic:|local:]NAME`; None where every request names its own.
        options: see `Options`.

    Raises:
        ConfigError: there is no such option; raised on entering: a setting is wrong, or no key is to be found.
    """

    def __init__(self, model: str | None = None, **options: Unpack[Options]) -> None:
        check_names(options)
        self._spec = model
        self._options = options
        self._defaults = (options.get("system"), options.get("max_tokens"), options.get("params"))
        self._has_defaults = self._defaults[:2] != (None, None) or bool(self._defaults[2])
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lanes: dict[str, Lane] = {}
        self.ledger: Ledger | None = None  # a run's, so that limits go on where an earlier process left them
        self._local: LocalModel | None = None
        self._streams: set[asyncio.Task[Result]] = set()
        self._trace: TraceFile | None = None
        self.sampler: Sampler | None = None

    async def __aenter__(self) -> Self:
        options = self._options
        if self._loop is not None:
            raise RuntimeError("the client is entered already; leave it first, or make another one")
        check_kinds(self._spec, options)
        environ = options.get("environ", os.environ)
        spec, base_url = self._spec, options.get("base_url")
        if split_model(spec)[0] == LOCAL:
            from brim.local import LocalModel  # noqa: PLC0415 - a server of our own is the exception

            self._local = await LocalModel.start_async(split_model(spec)[1] or "")
            spec, base_url = self._local.model, self._local.base_url
        self._endpoint, self._dialect = resolve(
            spec,
            base_url=base_url,
            api_key=options.get("api_key"),
            api=options.get("api", "chat"),
            environ=environ,
            settings=options.get("api_settings"),
        )
        if self._endpoint.is_loopback:  # no proxy can reach a server on this machine
            environ = {name: value for name, value in environ.items() if not name.lower().endswith("_proxy")}
        self._transport = options.get("transport") or _http_transport(options.get("ca"), environ)
        self._settings = Settings(
            timeouts=options.get("timeouts", Timeouts()),
            max_attempts=options.get("max_attempts", MAX_ATTEMPTS),
            strategies=Strategies(
                wait=options.get("wait"),
                stop=options.get("stop"),
                retry=options.get("retry"),
                before_sleep=options.get("before_sleep"),
            ),
            stream=options.get("stream", False),
            trace=bool(options.get("trace")),
            seed=options.get("seed"),
        )
        self._stated = limits_of(options.get("limits", Limits()), options.get("lanes", {}))
        if self._endpoint.model is not None:
            self._limits(self._endpoint.model)  # said now, before anything is sent
        self.costs = Costs(
            budget_usd=options.get("budget_usd"),
            price=options.get("price"),
            prices=options.get("prices", {}),
            listed=self._list_price,
            prefix=self._prefix,
            default=self._endpoint.model,
            is_own=self._local is not None,
        )
        if self._is_official:
            await asyncio.to_thread(price_of, "", self._endpoint.dialect)  # the price data take a second to load
        self._check_budget()
        self._watch(on_event=options.get("on_event"), trace=options.get("trace", False))
        self._loop = asyncio.get_running_loop()
        return self

    def _check_budget(self) -> None:
        """Say now, before anything is sent, why a budget can't be kept."""
        model = self._endpoint.model
        if model is not None:
            self.costs.till(model, None)
        if self.costs.purse is not None:
            plain = self._with_defaults(Request(messages=[{"role": "user", "content": ""}]))
            self.costs.check(self._dialect.encode(plain, model=model or ""))

    def _watch(self, *, on_event: Callable[[Event], None] | None, trace: str | os.PathLike[str] | bool) -> None:
        """Set up who is told what happens."""
        self._emit = on_event or (lambda _: None)
        if on_event is not None:
            self.sampler = Sampler(self._lanes.values, on_event)
        if not isinstance(trace, bool):
            self._trace = TraceFile(trace)
            self._emit = self._trace.before(self._emit)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop = None
        for call in self._streams:
            call.cancel()
        await asyncio.gather(*self._streams, return_exceptions=True)
        for lane in self._lanes.values():
            if lane.is_busy:  # what breaks now is not to be sent again
                lane.park(_CLOSED)
        self._lanes.clear()
        await self._transport.aclose()
        if self._trace is not None:
            self._trace.close()
        if self._local is not None:
            await asyncio.to_thread(self._local.stop)

    async def complete(self, prompt: Prompt) -> Reply:
        """Answer one prompt. Raises `CallFailed` if that fails for good."""
        result = await self._fulfil(prompt, lambda lane: lane.path)
        if isinstance(result.outcome, Failure):
            raise CallFailed.of(result.outcome)
        return result.outcome

    def stream(self, prompt: Prompt) -> AnswerStream:
        """Answer one prompt, handing out the answer while it comes; see `AnswerStream`."""

        def call(inbox: Inbox) -> Coroutine[Any, Any, Result]:
            return self._fulfil(prompt, lambda lane: lane.streaming(inbox.put, inbox.take_back))

        return AnswerStream(call, self._streams)

    async def _fulfil(self, prompt: Prompt, path_of: Callable[[Lane], Path]) -> Result:
        """Carry one prompt to its result, over one of its lane's paths."""
        sendable = self.prepare(as_request(prompt, 0))
        if isinstance(sendable, Result):
            return sendable
        lane, prepared = sendable
        with self.sampler.during() if self.sampler is not None else nullcontext():
            result = await fulfil(prepared, path_of(lane))
        lane.ended(result)
        return result

    async def complete_each(self, prompts: Iterable[Prompt] | AsyncIterable[Prompt]) -> AsyncIterator[Result]:
        """Answer every prompt, giving each result as it is there, in no fixed order and in flat memory.

        A failed request is a result too. `result.request.position` is the prompt's place in *prompts*. Prompts are
        read as there is room, and no faster than results are taken. Leaving the loop early stops everything.

        Raises:
            InputError: *prompts* are none, or a single one.
        """
        check_prompts(prompts)
        self._check_open()
        results: deque[Result] = deque()
        changed, taken = asyncio.Event(), asyncio.Event()

        def add(ended: Sequence[Result]) -> None:
            results.extend(ended)
            changed.set()

        async def rows_from(position: int) -> AsyncIterator[Iterable[Request | Result]]:
            async for turn in turns_of(prompts, position):
                while len(results) >= _UNREAD:
                    taken.clear()
                    await taken.wait()
                yield turn

        run = Run(record=add, leave=lambda result: add([result]), sampler=self.sampler)
        reading = Reading(run, _Desk(self, add), rows_from, is_again=names_models(prompts))
        running = asyncio.create_task(reading.carry())
        running.add_done_callback(lambda _: changed.set())
        try:
            while results or not running.done():
                while results:
                    yield results.popleft()
                    taken.set()
                changed.clear()
                if not running.done():
                    await changed.wait()
            await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def prepare(self, request: Request) -> tuple[Lane, Prepared] | Result:
        """Find the lane of *request* and encode it there; what can't be sent is a failed result at once.

        Raises:
            RuntimeError: the client is not entered, or left, or was entered in another event loop.
        """
        self._check_open()
        try:
            lane = self._lane(request)
            return lane, lane.prepare(self._with_defaults(request) if self._has_defaults else request)
        except InputError as error:
            return unsendable(request, request.position, error)

    def lane_of(self, request: Request) -> Lane | None:
        """The lane of *request*; None if it has none, so that it can't be sent."""
        with suppress(InputError):
            return self._lane(request)
        return None

    def _lane(self, request: Request) -> Lane:
        name = request.model or self._endpoint.model
        if name is None:
            raise InputError(_NO_MODEL)
        return self._lanes.get(name) or self._open_lane(name)

    def _check_open(self) -> None:
        if self._loop is None:
            raise RuntimeError("the client is closed; use it within `async with brim.Client(...) as client:`")
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError("the client was entered in another event loop; make one for each loop")

    def _open_lane(self, model: str) -> Lane:
        lane = self._lanes[model] = Lane(
            endpoint=self._endpoint,
            model=model,
            dialect=self._dialect,
            transport=self._transport,
            settings=msgspec.structs.replace(self._settings, limits=self._limits_of_row(model)),
            price=self._price(model),
            emit=self._emit,
            ledger=self.ledger,
            till=self._till(model),
        )
        return lane

    def _list_price(self, model: str) -> Price | None:
        """List prices hold at the provider's own host only; what a relay or an own server costs is not known."""
        return price_of(model, self._endpoint.dialect) if self._is_official else None

    def _price(self, model: str) -> Callable[[Reply], float | None]:
        price = self.costs.price(model)

        def cost(reply: Reply) -> float | None:
            return None if price is None or reply.usage is None else price.cost(reply.usage)

        return cost

    def _limits(self, model: str) -> Limits:
        """The limits of the lane of *model*. Raises `ConfigError` where a preset has none for it."""
        limits = self._stated(f"{self._prefix}:{model}")
        ceilings = [limits.concurrency]
        if self._local is not None:
            # It queues whatever comes: more in flight than it can use only makes answers late.
            ceilings.append(self._local.concurrency)
        if "transport" not in self._options and (most := most_connections()) is not None:
            ceilings.append(most)
        return msgspec.structs.replace(limits, concurrency=min(ceilings))

    def _limits_of_row(self, model: str) -> Limits:
        """The same for a model that a row names: what is wrong with it is wrong with that row alone."""
        try:
            return self._limits(model)
        except ConfigError as error:
            raise InputError(str(error)) from None

    def _till(self, model: str) -> Till | None:
        """The budget for a model that a row names: what is wrong with it is wrong with that row alone."""
        try:
            return self.costs.till(model, self.ledger)
        except ConfigError as error:
            raise InputError(str(error)) from None

    @property
    def _prefix(self) -> str:
        return self._endpoint.dialect if self._local is None else LOCAL

    @property
    def _is_official(self) -> bool:
        return self._dialect.url(self._endpoint.base_url) == self._dialect.url(self._dialect.default_base_url)

    def _with_defaults(self, request: Request) -> Request:
        system, cap, params = self._defaults
        messages = request.messages
        if system is not None and not any(message.get("role") in _SYSTEM_ROLES for message in messages):
            messages = [{"role": "system", "content": system}, *messages]
        return msgspec.structs.replace(
            request,
            messages=messages,
            max_tokens=cap if request.max_tokens is None else request.max_tokens,
            params={**params, **request.params} if params else request.params,
        )


class _Desk:
    """Where prompts go: to their lanes, or back at once where they can't be sent."""

    def __init__(self, client: Client, add: Callable[[Sequence[Result]], None]) -> None:
        self.lane_of = client.lane_of
        self._client = client
        self._add = add

    def admit(self, row: Request | Result) -> tuple[Lane, Prepared] | None:
        """See `Desk`."""
        ready = self._client.prepare(row) if isinstance(row, Request) else row
        if isinstance(ready, tuple):
            return ready
        self._add([ready])
        return None

    def ended(self, rows: int) -> None:
        """See `Desk`."""


_CLOSED: Final = Failure(kind=FailureKind.STOPPED, message="the client was closed meanwhile")
_NO_MODEL: Final = "the request names no model and there is no default; name one for it or for all"
_SYSTEM_ROLES: Final = frozenset({"system", "developer"})


def complete(prompt: Prompt, *, model: str | None = None, **options: Unpack[Options]) -> Reply:
    """Answer one prompt and wait for it. Raises `CallFailed` if that fails for good; see `Client` for the settings."""

    async def main() -> Reply:
        async with Client(model, **options) as client:
            return await client.complete(prompt)

    return run_loop(main())


def complete_many(prompts: Iterable[Prompt], *, model: str | None = None, **options: Unpack[Options]) -> list[Result]:
    """Answer every prompt and wait for all: one result each, in their order. Failures are values.

    See `Client` for the settings. All results are held in memory; for more than that, `Client.complete_each`.

    Raises:
        InputError: *prompts* are none, or a single one.
    """

    async def main() -> list[Result]:
        async with Client(model, **options) as client:
            results = [result async for result in client.complete_each(prompts)]
        return sorted(results, key=lambda result: result.request.position)

    return run_loop(main())


def _http_transport(ca: str | None, environ: Mapping[str, str]) -> Transport:
    from brim.transport.routes import Routes  # noqa: PLC0415 - `brim --help` needs no network

    return Routes(ca=ca, environ=environ)
