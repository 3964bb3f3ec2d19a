"""Every transport, on every event loop, meets the same tests: a second implementation is one more entry here."""

from __future__ import annotations

import pytest

from brim.transport import Transport
from brim.transport.http import HttpTransport
from brim.transport.routes import Routes
from transport.far_end import MakeTransport, Run, loop_factories, runner_on


def http_transport(*, ca: str | None = None, environ: dict[str, str] | None = None) -> Transport:
    return HttpTransport(ca=ca, environ=environ or {})


def routes(*, ca: str | None = None, environ: dict[str, str] | None = None) -> Transport:
    return Routes(ca=ca, environ=environ or {})


TRANSPORTS = {"own": routes, "aiohttp": http_transport}


@pytest.fixture(params=TRANSPORTS)
def make_transport(request: pytest.FixtureRequest) -> MakeTransport:
    """A transport with the settings that every one of them takes."""
    return TRANSPORTS[request.param]


@pytest.fixture(params=loop_factories())
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine to its end on a loop of its own."""
    return runner_on(loop_factories()[request.param])
