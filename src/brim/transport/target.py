"""Where an exchange goes, and the few words that any transport says about it when it breaks.

A message names the place, the moment and the system's word for the cause, and no more: no path, no header, and nothing
that the far end sent.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from typing import Final, NamedTuple

from yarl import URL

from brim.transport import Phase

__all__ = ["Target", "break_at", "no_connection", "not_http", "reason"]


class Target(NamedTuple):
    """Where an exchange goes."""

    url: URL
    proxy: URL | None

    def __str__(self) -> str:
        return _place(self.url) if self.proxy is None else f"{_place(self.url)} through proxy {_place(self.proxy)}"


def _place(url: URL) -> str:
    """Host and port: all of a URL that a message may hold."""
    return f"{url.host_subcomponent}:{url.port}"


def no_connection(error: BaseException, target: Target) -> str:
    """Why there is no connection to *target*."""
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return f"can't find the address of {target.url.host}: {reason(error)}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {target} is not trusted: {error.verify_message or 'it does not verify'}; if that is "
            f"expected, name the file of its certificate authority with --ca or SSL_CERT_FILE"
        )
    if isinstance(error, OSError) and error.errno in _NO_FILES:
        return f"no connection to {target}: {reason(error)}; raise `ulimit -n`, or have fewer calls at once"
    means = "TLS connection" if isinstance(error, ssl.SSLError) else "connection"
    return f"no {means} to {target}: {reason(error)}"


def break_at(phase: Phase, error: BaseException | None, target: Target) -> str:
    """How the connection ended, with *error* or in good order, when the exchange had come to *phase*."""
    why = reason(error) if isinstance(error, OSError) else _CLOSED
    return f"the connection to {target} broke {_WHEN[phase]}: {why}"


def not_http(rule: str, target: Target) -> str:
    """Which *rule* of HTTP the answer broke. What a parser puts behind a colon was sent by the far end."""
    return f"{target} answered with something that is not HTTP/1.1: {rule.partition(':')[0].lower() or 'unreadable'}"


_NO_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE})
_CLOSED: Final = "closed by the far end"
_WHEN: Final = {
    Phase.CONNECTING: "before the request was sent",
    Phase.CONNECTED: "while the request was sent",
    Phase.SENT: "before an answer came",
    Phase.ANSWERING: "in the middle of the answer",
}


def reason(error: BaseException) -> str:
    """The system's name for what happened."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "handshake failed").replace("_", " ").lower()
    if isinstance(error, OSError) and error.errno:
        return error.strerror if isinstance(error, socket.gaierror) and error.strerror else os.strerror(error.errno)
    return "no host can be called that" if isinstance(error, UnicodeError) else _CLOSED
