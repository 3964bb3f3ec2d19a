"""What aiohttp's errors mean, in our own words. Nothing of theirs is let through.

The repr of one of them prints every header of the request, and the text of others what the far end sent: so a message
here names the place, the moment and the system's word for the cause, and no more.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import aiohttp
from aiohttp.http import HttpProcessingError
from yarl import URL

from brim.transport import Phase, TransportError

__all__ = ["ERRORS", "Target", "translate"]

ERRORS: Final = (aiohttp.ClientError, HttpProcessingError, OSError)
"""What `translate` takes."""


class Target(NamedTuple):
    """Where an exchange goes."""

    url: URL
    proxy: URL | None

    def __str__(self) -> str:
        return _place(self.url) if self.proxy is None else f"{_place(self.url)} through proxy {_place(self.proxy)}"


def _place(url: URL) -> str:
    """Host and port: all of a URL that a message may hold."""
    return f"{url.host_subcomponent}:{url.port}"


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
    return f"can't find the address of {error.host}: {_reason(error.os_error)}"


def _not_trusted(error: aiohttp.ClientConnectorCertificateError, _phase: Phase, target: Target) -> str:
    cause = error.certificate_error
    why = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else "it does not verify"
    return (
        f"the certificate of {target} is not trusted: {why}; if that is expected, name the file of its certificate "
        f"authority with --ca or SSL_CERT_FILE"
    )


def _no_tls(error: aiohttp.ClientConnectorSSLError, _phase: Phase, target: Target) -> str:
    return f"no TLS connection to {target}: {_reason(error.os_error)}"


def _no_proxy(error: aiohttp.ClientProxyConnectionError, _phase: Phase, target: Target) -> str:
    return f"no connection to the proxy of {target}: {_reason(error.os_error)}"


def _proxy_refused(error: aiohttp.ClientHttpProxyError, _phase: Phase, target: Target) -> str:
    return f"the proxy refused to connect to {target}: status {error.status}"


def _no_connection(error: aiohttp.ClientConnectorError, _phase: Phase, target: Target) -> str:
    return f"no connection to {target}: {_reason(error.os_error)}"


def _malformed(error: aiohttp.ClientResponseError | HttpProcessingError, _phase: Phase, target: Target) -> str:
    rule = error.message.strip().partition(":")[0]  # after the colon stands what was sent
    return f"{target} answered with something that is not HTTP/1.1: {rule.lower() or 'unreadable'}"


def _broken(error: Exception, phase: Phase, target: Target) -> str:
    why = _reason(error) if isinstance(error, OSError) else "closed by the far end"
    return f"the connection to {target} broke {_WHEN[phase]}: {why}"


_WHEN: Final = {
    Phase.CONNECTING: "before the request was sent",
    Phase.CONNECTED: "while the request was sent",
    Phase.SENT: "before an answer came",
    Phase.ANSWERING: "in the middle of the answer",
}

_MALFORMED: Final = (aiohttp.ClientResponseError, HttpProcessingError)

_MEANINGS: Final[tuple[tuple[type[Exception], Callable[[Any, Phase, Target], str]], ...]] = (
    # The first that fits counts: derived classes stand before their bases.
    (aiohttp.ClientConnectorDNSError, _not_found),
    (aiohttp.ClientConnectorCertificateError, _not_trusted),
    (aiohttp.ClientConnectorSSLError, _no_tls),
    (aiohttp.ClientProxyConnectionError, _no_proxy),
    (aiohttp.ClientHttpProxyError, _proxy_refused),
    (aiohttp.ClientConnectorError, _no_connection),
    *((kind, _malformed) for kind in _MALFORMED),
    (Exception, _broken),
)


def _reason(error: BaseException) -> str:
    """The system's name for what happened."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "handshake failed").replace("_", " ").lower()
    if isinstance(error, OSError) and error.errno:
        return error.strerror if isinstance(error, socket.gaierror) and error.strerror else os.strerror(error.errno)
    return "closed by the far end"
