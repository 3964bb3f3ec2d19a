"""Where to post: a base URL in any of its usual spellings to the address of one call.

People paste base URLs with or without `/v1`, with a slash too many, with the whole path of the call, or with a query
that must stay (Azure's `?api-version=`). The rule: a known call path at the end is taken off, a version is added only
where the base names none, and the query moves to the end.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

__all__ = ["host_of", "join_url"]

_CALLS: Final = ("/chat/completions", "/responses", "/messages")
_VERSION: Final = re.compile(r"v\d+(?:\.\d+)?(?:(?:alpha|beta)\d*)?|beta", re.IGNORECASE)
# Azure's classic surface names a deployment in the path and its version in the query.
_VERSIONED_BY_QUERY: Final = "deployments"


def join_url(base_url: str, call: str, *, anywhere: bool) -> str:
    """Give the address of *call* under *base_url*.

    Args:
        base_url: as the user wrote it; a base that ends in the path of a call is accepted too.
        call: the path after the version, such as `/chat/completions`.
        anywhere: does a version anywhere in the path count (`/v1beta/openai`), as OpenAI's SDK wants bases that
            hold their version? Or only one at the end, as Anthropic's SDK adds its own to every base?
    """
    parts = urlsplit(base_url.strip())
    path = parts.path.rstrip("/")
    known = next((known for known in _CALLS if path.endswith(known)), "")
    if known:
        path = path.removesuffix(known)
    elif not _names_version(path, anywhere=anywhere):
        path += "/v1"
    return urlunsplit((parts.scheme, parts.netloc, path + call, parts.query, ""))


def host_of(base_url: str) -> str:
    """The host a base URL names, in lower case; empty if it names none."""
    return (urlsplit(base_url.strip()).hostname or "").lower()


def _names_version(path: str, *, anywhere: bool) -> bool:
    segments = path.split("/")
    if not anywhere:
        return _VERSION.fullmatch(segments[-1]) is not None
    return _VERSIONED_BY_QUERY in segments or any(map(_VERSION.fullmatch, segments))
