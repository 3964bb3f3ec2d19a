"""What aiohttp's errors mean, in our own words. Nothing of theirs is let through.

The repr of one of them prints every header of the request, and the text of others what the far end sent: so a message
here names the place, the moment and the system's word for the cause, and no more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import aiohttp
from aiohttp.http import HttpProcessingError

from brim.transport import Phase, TransportError
from brim.transport.target import Target, break_at, no_connection, not_http, reason

__all__ = ["ERRORS", "translate"]

ERRORS: Final = (aiohttp.ClientError, HttpProcessingError, OSError)
"""What `translate` takes."""


def translate(error: Exception, phase: Phase, target: Target) -> TransportError:
    """Say in our own words what broke. Nothing of *error*'s own text is kept but the name of its cause."""
    is_malformed = isinstance(error, _MALFORMED) and phase is not Phase.CONNECTING
    if is_malformed or _came_in_part(error):
        phase = Phase.ANSWERING
    say = next(say for kind, say in _MEANINGS if isinstance(error, kind))
    return TransportError(say(error, phase, target), sent=phase.sent, is_malformed=is_malformed)


def _came_in_part(error: Exception) -> bool:
    """Did the connection end within the headers? Then aiohttp gives what it has of them in place of a message."""
    return isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str)


def _not_found(error: aiohttp.ClientConnectorDNSError, _phase: Phase, _target: Target) -> str:
    return f"can't find the address of {error.host}: {reason(error.os_error)}"  # perhaps of the proxy


def _no_proxy(error: aiohttp.ClientProxyConnectionError, _phase: Phase, target: Target) -> str:
    return f"no connection to the proxy of {target}: {reason(error.os_error)}"


def _proxy_refused(error: aiohttp.ClientHttpProxyError, _phase: Phase, target: Target) -> str:
    return f"the proxy refused to connect to {target}: status {error.status}"


def _no_trust(error: aiohttp.ClientConnectorCertificateError, _phase: Phase, target: Target) -> str:
    return no_connection(error.certificate_error, target)


def _no_connection(error: aiohttp.ClientConnectorError, _phase: Phase, target: Target) -> str:
    return no_connection(error.os_error, target)


def _malformed(error: aiohttp.ClientResponseError | HttpProcessingError, _phase: Phase, target: Target) -> str:
    return not_http(error.message.strip(), target)


def _broken(error: Exception, phase: Phase, target: Target) -> str:
    return break_at(phase, error, target)


_MALFORMED: Final = (aiohttp.ClientResponseError, HttpProcessingError)

_MEANINGS: Final[tuple[tuple[type[Exception], Callable[[Any, Phase, Target], str]], ...]] = (
    # The first that fits counts: derived classes stand before their bases.
    (aiohttp.ClientConnectorDNSError, _not_found),
    (aiohttp.ClientConnectorCertificateError, _no_trust),
    (aiohttp.ClientProxyConnectionError, _no_proxy),
    (aiohttp.ClientHttpProxyError, _proxy_refused),
    (aiohttp.ClientConnectorError, _no_connection),
    *((kind, _malformed) for kind in _MALFORMED),
    (Exception, _broken),
)
