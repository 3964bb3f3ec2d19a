"""What other libraries' objects say: found by name, whatever they are."""

from __future__ import annotations

import errno
import socket
from email.message import Message
from types import SimpleNamespace
from typing import Any, NoReturn
from urllib.error import HTTPError, URLError

import aiohttp
import anthropic
import httpx2
import openai
import pytest
from aiohttp import ClientResponseError, RequestInfo
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from brim.protocols.foreign import failure_of, headers_of, look_at, usage_of
from brim.values import Failure, FailureKind, Usage

BODY = {"message": "Rate limit reached for tokens. Please try again in 3s.", "code": "rate_limit_exceeded"}


def response(status: int, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(status, headers=named, request=httpx2.Request("POST", "http://far"))


def aiohttp_error(status: int, **headers: str) -> ClientResponseError:
    named = CIMultiDictProxy(CIMultiDict({"Retry-After": "7", **headers}))
    asked = RequestInfo(URL("http://far"), "POST", named, URL("http://far"))
    return ClientResponseError(asked, (), status=status, headers=named, message="too many")


def urllib_error(status: int) -> HTTPError:
    headers = Message()
    headers["Retry-After"] = "7"
    return HTTPError("http://far", status, "slow down", headers, None)


class Botocore(Exception):
    """As `botocore.exceptions.ClientError`: a dict for a response."""

    def __init__(self) -> None:
        super().__init__("ThrottlingException")
        self.response = {"ResponseMetadata": {"HTTPStatusCode": 429, "HTTPHeaders": {"retry-after": "7"}}}


SAYS_SEVEN: list[Exception] = [
    openai.RateLimitError("no", response=response(429, retry_after="7"), body=BODY),
    anthropic.RateLimitError(
        "no",
        response=response(429, retry_after="7"),
        body={"type": "error", "error": {"type": "rate_limit_error", "message": "no"}},
    ),
    httpx2.HTTPStatusError("no", request=httpx2.Request("POST", "http://far"), response=response(429, Retry_After="7")),
    aiohttp_error(429),
    urllib_error(429),
    Botocore(),
    ExceptionGroup("of a task group", [KeyError("mine"), aiohttp_error(429)]),
]


def read(error: Exception, **said: Any) -> Failure:
    failure = failure_of(error, look_at(error), now=1_000.0, **said)
    assert failure is not None
    return failure


@pytest.mark.parametrize("error", SAYS_SEVEN, ids=lambda error: type(error).__module__.split(".")[0])
def test_a_refusal_is_understood(error: Exception) -> None:
    """
    Of every library: throttled, for seven seconds.
    """
    failure = read(error)

    assert failure.kind is FailureKind.THROTTLED
    assert failure.retry_after == 7.0
    assert failure.status == 429


def test_an_error_body_is_read_as_our_own_dialects_read_it() -> None:
    """
    The wait in its words, the limit that it names, and the code that says it will not heal.
    """
    spoken = read(openai.RateLimitError("no", response=response(429), body=BODY))
    empty = read(openai.RateLimitError("no", response=response(429), body={"code": "insufficient_quota"}))
    busy = read(anthropic.OverloadedError("no", response=response(529), body=None))

    assert spoken.retry_after == 3.0
    assert "tokens" in spoken.message
    assert empty.kind is FailureKind.QUOTA
    assert busy.kind is FailureKind.OVERLOADED


def test_the_users_word_wins() -> None:
    """
    Throttled or not, and for how long.
    """
    assert read(ValueError("no"), is_throttled=True).kind is FailureKind.THROTTLED
    assert read(ValueError("try again in 5s"), is_throttled=True).retry_after == 5.0
    assert read(ValueError("try again in 5s"), is_throttled=True, wait=2.0).retry_after == 2.0
    assert read(aiohttp_error(429), is_throttled=False).kind is FailureKind.SERVER
    assert read(aiohttp_error(400), is_throttled=False).kind is FailureKind.INVALID


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


class Timeout(OSError):
    """As `requests.exceptions.Timeout`: known by its name alone."""


BREAKS: list[tuple[Exception, FailureKind]] = [
    (ConnectionResetError("gone"), FailureKind.CONNECTION),
    (TimeoutError(), FailureKind.TIMEOUT),
    (Timeout("too slow"), FailureKind.TIMEOUT),
    (OSError(errno.ENETUNREACH, "no way"), FailureKind.CONNECTION),
    (socket.gaierror(-2, "Name or service not known"), FailureKind.CONNECTION),
    (URLError(ConnectionRefusedError(111, "refused")), FailureKind.CONNECTION),
    (aiohttp.ServerDisconnectedError(), FailureKind.CONNECTION),
    (aiohttp.ServerTimeoutError(), FailureKind.TIMEOUT),
    (aiohttp.ClientPayloadError("cut"), FailureKind.CONNECTION),
    (httpx2.ConnectError("refused"), FailureKind.CONNECTION),
    (httpx2.RemoteProtocolError("cut"), FailureKind.CONNECTION),
    (httpx2.ReadTimeout("slow"), FailureKind.TIMEOUT),
    (openai.APIConnectionError(request=httpx2.Request("POST", "http://far")), FailureKind.CONNECTION),
    (anthropic.APITimeoutError(httpx2.Request("POST", "http://far")), FailureKind.TIMEOUT),
    (caused(ValueError("mine"), httpx2.ReadTimeout("slow")), FailureKind.TIMEOUT),
    (ExceptionGroup("of a task group", [KeyError("mine"), httpx2.ReadTimeout("slow")]), FailureKind.TIMEOUT),
]


@pytest.mark.parametrize(("error", "kind"), BREAKS, ids=lambda each: type(each).__name__)
def test_a_far_end_that_is_not_reached_is_known(error: Exception, kind: FailureKind) -> None:
    """
    Of every library, whether the user says that it is no refusal or nothing; keys in it are masked.
    """
    assert read(error).kind is kind
    assert read(error, is_throttled=False).kind is kind
    assert "sk-" + 20 * "a" not in read(ConnectionError("key sk-" + 20 * "a")).message


@pytest.mark.parametrize(
    "error",
    [
        KeyError("mine"),
        ValueError("429"),
        AssertionError(),
        FileNotFoundError(2, "no such file"),
        OSError("no image"),
        URLError("unknown url type: far"),
        httpx2.UnsupportedProtocol("far://"),
        caused(httpx2.PoolTimeout("full"), TimeoutError()),
        caused(KeyError("mine"), ValueError("mine too")),
        ExceptionGroup("of a task group", [KeyError("mine"), ValueError("mine too")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_callers_own_mistake_says_nothing_of_the_far_end(error: Exception) -> None:
    """
    Whether the user says that it is no refusal, or nothing.
    """
    for word in (None, False):
        assert failure_of(error, look_at(error), now=0.0, is_throttled=word) is None


def test_a_good_response_is_no_failure() -> None:
    """
    Nor is a thing that is no response at all.
    """
    for thing in (response(200), {"status": "done"}, None, 429, "429"):
        assert failure_of(thing, look_at(thing), now=0.0) is None


class Hostile:
    """Every question raises."""

    def __getattr__(self, name: str) -> NoReturn:
        raise RuntimeError(name)


def test_what_says_nothing_is_no_error() -> None:
    """
    Whatever a call may give back is looked at without harm.
    """
    for thing in (None, 5, "text", object(), Hostile(), SimpleNamespace(headers=5, usage="x"), {}):
        seen = look_at(thing)

        assert (seen.status, seen.headers) == (None, {})
        assert headers_of(thing) == {}
        assert usage_of(thing) is None


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
        {"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 100},
        {"input_tokens": 2, "output_tokens": 7, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 100},
        {"prompt_tokens": 5, "completion_tokens": 7, "cache_creation_input_tokens": 3},
        SimpleNamespace(prompt_token_count=5, candidates_token_count=7),
        SimpleNamespace(prompt_token_count=5, candidates_token_count=None, thoughts_token_count=7),
        {"promptTokenCount": 2, "toolUsePromptTokenCount": 3, "candidatesTokenCount": 3, "thoughtsTokenCount": 4},
        {"inputTokens": 2, "cacheWriteInputTokens": 3, "cacheReadInputTokens": 100, "outputTokens": 7},
    ],
)
def test_usage_is_read_in_every_spelling(usage: object) -> None:
    """
    OpenAI's two, Anthropic's (of whose cached input, which stands apart, only what is written counts), Google's (whose
    thoughts stand apart), Bedrock's, and what a gateway makes of Anthropic's; as object or dict.
    """
    want = Usage(input_tokens=5, output_tokens=7)

    assert usage_of(SimpleNamespace(usage=usage)) == want
    assert usage_of({"usage": usage}) == want
    assert usage_of(SimpleNamespace(usage_metadata=usage)) == want
