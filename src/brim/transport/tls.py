"""Whom we trust on an https connection: one TLS context, made from what the user names."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from brim.errors import ConfigError

__all__ = ["tls_context"]


def tls_context(*, ca: str | None, environ: Mapping[str, str]) -> ssl.SSLContext | None:
    """Make the context that checks the far end's certificate, or None where the system's authorities are trusted.

    Trusted are the authorities in *ca*; without it those in `SSL_CERT_FILE` and `SSL_CERT_DIR`; without these those in
    `REQUESTS_CA_BUNDLE`; without any, the system's. What is named replaces the system's authorities, as it does in
    OpenSSL and curl.

    Args:
        ca: a PEM file, or a folder of them under the names that OpenSSL gives them (`openssl rehash`).
        environ: the environment variables.

    Raises:
        ConfigError: a named file or folder does not exist, or a named file holds no certificate.
    """
    named = _named(ca, environ)
    if not named:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    for said_by, path in named:
        _trust(context, said_by, path)
    return context


def _named(ca: str | None, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """What the user names, each path with the setting that says it."""
    groups = (
        {"--ca": ca},
        {name: environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")},
        {"REQUESTS_CA_BUNDLE": environ.get("REQUESTS_CA_BUNDLE")},
    )
    found = ([(name, path) for name, path in group.items() if path] for group in groups)
    return next((named for named in found if named), [])


def _trust(context: ssl.SSLContext, said_by: str, path: str) -> None:
    if not Path(path).exists():
        raise ConfigError(f"{said_by} names {path!r}, which does not exist; name a PEM file of certificates to trust")
    try:
        if Path(path).is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except OSError as error:  # an ssl.SSLError is one too
        why = "it holds no PEM certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigError(f"{said_by} names {path!r}, which can't be used: {why}") from None
