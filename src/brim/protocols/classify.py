"""What a bad answer means, as tables. No code path here knows a provider by name.

Evidence is weighed in this order, and the first that speaks decides: a code with one meaning everywhere (quota codes
beat the status, also inside a 500); the name of a daily limit; flagged content; a phrase that a provider keeps stable;
the type of an error; the status, where the one in the body beats that of HTTP, which may be a gateway's wrapping; and
last the vague types, which say something only where the status says nothing. Free text is never searched for
numbers: the digits of a wait once passed for a status. Sources: section 3.2 of the facts on protocols, which the corpus
in tests/protocols/corpus spells out body by body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from brim.protocols import WireResponse
from brim.protocols.dates import server_time
from brim.protocols.faults import Fault, presentable, read_fault
from brim.protocols.reading import is_success, request_id
from brim.protocols.waits import exact_wait, far_reset, retry_after, until_reset
from brim.values import Failure, FailureKind, Usage

__all__ = ["classify", "failure"]

_K = FailureKind

_CODES: Final[Mapping[str, FailureKind]] = {
    # Out of credit or over a spending limit: OpenAI.
    "insufficient_quota": _K.QUOTA,
    "credit_balance_exhausted": _K.QUOTA,
    "organization_spend_limit_exceeded": _K.QUOTA,
    "project_spend_limit_exceeded": _K.QUOTA,
    "organization_usage_limit_exceeded": _K.QUOTA,
    "billing_hard_limit_reached": _K.QUOTA,
    "billing_not_active": _K.QUOTA,
    # Anthropic.
    "enforced_spend_limit_reached": _K.QUOTA,
    "contract_spend_limit_reached": _K.QUOTA,
    "linked_organization_spend_limit_reached": _K.QUOTA,
    "linked_organization_billing_unavailable": _K.QUOTA,
    "billing_error": _K.QUOTA,
    # OpenRouter, Moonshot, the new-api family.
    "payment_required": _K.QUOTA,
    "exceeded_current_quota_error": _K.QUOTA,
    "insufficient_user_quota": _K.QUOTA,
    "pre_consume_token_quota_failed": _K.QUOTA,
    # LiteLLM, behind a 422, 400 or 429.
    "budget_exceeded": _K.QUOTA,
    # OpenRouter's 402 that heals: too much in flight at once, for the credit there is.
    "openrouter_in_flight_budget": _K.THROTTLED,
    # Key, account, region.
    "invalid_api_key": _K.DENIED,
    "api_key_invalid": _K.DENIED,
    "account_deactivated": _K.DENIED,
    "organization_on_hold": _K.DENIED,
    "organization_type_not_supported": _K.DENIED,
    "parent_organization_required": _K.DENIED,
    "cmek_key_disabled": _K.DENIED,
    "cmek_key_network_blocked": _K.DENIED,
    "claude_code_key_creator_not_member": _K.DENIED,
    "unsupported_country_region_territory": _K.DENIED,
    # LiteLLM without a database, of any key but its own.
    "no_db_connection": _K.DENIED,
    # Gemini's alone, for billing or country.
    "failed_precondition": _K.DENIED,
    # Models.
    "model_not_found": _K.UNKNOWN_MODEL,
    "deploymentnotfound": _K.UNKNOWN_MODEL,
    "model_decommissioned": _K.UNKNOWN_MODEL,
    # Size.
    "context_length_exceeded": _K.TOO_LARGE,
    "exceed_context_size_error": _K.TOO_LARGE,
    "token_limit_exceeded": _K.TOO_LARGE,
    "request_too_large": _K.TOO_LARGE,
    "string_above_max_length": _K.TOO_LARGE,
    "contextwindowexceedederror": _K.TOO_LARGE,
    # Content.
    "content_policy_violation": _K.REFUSED,
    "content_filter": _K.REFUSED,
    "contentpolicyviolationerror": _K.REFUSED,
    "responsibleaipolicyviolation": _K.REFUSED,
    "invalid_prompt": _K.REFUSED,
    "cyber_policy": _K.REFUSED,
    "bio_policy": _K.REFUSED,
    "bio_policy_violation": _K.REFUSED,
    "moderation_blocked": _K.REFUSED,
    "misalignment_policy_violation": _K.REFUSED,
    "prompt_blocked": _K.REFUSED,
    "sensitive_words_detected": _K.REFUSED,
    "image_content_policy_violation": _K.REFUSED,
    # The other codes of a failed answer of Responses, which comes with status 200.
    "vector_store_timeout": _K.SERVER,
    "data_residency_mismatch": _K.INVALID,
    "invalid_image": _K.INVALID,
    "invalid_image_format": _K.INVALID,
    "invalid_image_mode": _K.INVALID,
    "invalid_image_url": _K.INVALID,
    "invalid_base64_image": _K.INVALID,
    "image_too_large": _K.INVALID,
    "image_too_small": _K.INVALID,
    "image_parse_error": _K.INVALID,
    "image_file_too_large": _K.INVALID,
    "image_file_not_found": _K.INVALID,
    "unsupported_image_media_type": _K.INVALID,
    "empty_image_file": _K.INVALID,
    "failed_to_download_image": _K.INVALID,
}

_TYPES: Final[Mapping[str, FailureKind]] = {
    "slow_down": _K.THROTTLED,
    "ramp_limit_exceeded": _K.THROTTLED,
    "rate_limit_exceeded": _K.THROTTLED,
    "rate_limit_error": _K.THROTTLED,
    "rate_limited": _K.THROTTLED,
    "rate_limit_reached_error": _K.THROTTLED,
    "too_many_requests": _K.THROTTLED,
    "resource_exhausted": _K.THROTTLED,
    "overloaded_error": _K.OVERLOADED,
    "engine_overloaded_error": _K.OVERLOADED,
    "server_is_overloaded": _K.OVERLOADED,
    "provider_overloaded": _K.OVERLOADED,
    "service_unavailable_error": _K.OVERLOADED,
    "unavailable_error": _K.OVERLOADED,
    "unavailable": _K.OVERLOADED,
    "resource_unavailable": _K.OVERLOADED,
    "timeout_error": _K.SERVER,
    "deadline_exceeded": _K.SERVER,
    "authentication_error": _K.DENIED,
    "unauthenticated": _K.DENIED,
    "permission_error": _K.DENIED,
    "permission_denied": _K.DENIED,
}

# Types that many errors share. They speak only where the HTTP status does not: Ollama writes `api_error` under a 429,
# and a gateway that stumbles may call its own 500 an invalid request.
_VAGUE: Final[Mapping[str, FailureKind]] = {
    "invalid_request_error": _K.INVALID,
    "badrequesterror": _K.INVALID,
    "invalid_argument": _K.INVALID,
    "not_found_error": _K.UNKNOWN_MODEL,
    "notfounderror": _K.UNKNOWN_MODEL,
    "api_error": _K.SERVER,
    "server_error": _K.SERVER,
    "internal_server_error": _K.SERVER,
    "internal": _K.SERVER,
    "upstream_error": _K.SERVER,
}

_STATUSES: Final[Mapping[int, FailureKind]] = {
    301: _K.INVALID,
    308: _K.INVALID,
    401: _K.DENIED,
    402: _K.QUOTA,
    403: _K.DENIED,
    405: _K.UNKNOWN_MODEL,
    407: _K.DENIED,
    408: _K.SERVER,
    409: _K.SERVER,
    410: _K.UNKNOWN_MODEL,
    413: _K.TOO_LARGE,
    421: _K.SERVER,
    424: _K.SERVER,
    425: _K.SERVER,
    429: _K.THROTTLED,
    451: _K.DENIED,
    498: _K.OVERLOADED,
    499: _K.SERVER,
    501: _K.INVALID,
    503: _K.OVERLOADED,
    529: _K.OVERLOADED,
}
# Any other status, by its first digit.
_CLASSES: Final[Mapping[int, FailureKind]] = {3: _K.SERVER, 4: _K.INVALID, 5: _K.SERVER}


class _Phrase(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Words that a provider keeps stable, lower case, for an error that has no code of its own.

    *statuses* are those it may come with, the body's own status included; None for any.
    """

    text: str
    kind: FailureKind
    is_start: bool = True
    statuses: frozenset[int] | None = None


_NOT_FOUND: Final = 404
_TOO_MANY_REQUESTS: Final = 429
_BAD: Final = frozenset({200, 400, 413, 422, 500})
_LIMITED: Final = frozenset({200, 413, 429, 500, 502, 503})
_MISSING: Final = frozenset({200, 400, 404})

_NO_CREDIT: Final = "you exceeded your current quota, please check your plan and billing details."

_PHRASES: Final = (
    # A spending limit the customer set, without a code: Anthropic answers 400.
    _Phrase(text="you have reached your specified api usage limits", kind=_K.QUOTA),
    _Phrase(text="you have reached your specified workspace api usage limits", kind=_K.QUOTA),
    _Phrase(text="your credit balance is too low", kind=_K.QUOTA),
    _Phrase(text="insufficient balance", kind=_K.QUOTA),
    # OpenAI's, where a gateway dropped the code. Gemini says the first half of it of a limit a minute.
    _Phrase(text=f"{_NO_CREDIT} for more information on this error, read the docs: https://platform", kind=_K.QUOTA),
    # LiteLLM's, where Anthropic's form left no room for its type.
    _Phrase(text="budget has been exceeded!", kind=_K.QUOTA),
    _Phrase(text="exceededbudget:", kind=_K.QUOTA),
    _Phrase(text="out of call volume quota", kind=_K.QUOTA),
    _Phrase(text="output blocked by content filtering policy", kind=_K.REFUSED, statuses=_BAD),
    _Phrase(text="prompt is too long", kind=_K.TOO_LARGE, statuses=_BAD),
    _Phrase(text="input length and `max_tokens` exceed context limit", kind=_K.TOO_LARGE, statuses=_BAD),
    _Phrase(text="maximum context length", kind=_K.TOO_LARGE, is_start=False, statuses=_BAD),
    _Phrase(text="the input token count", kind=_K.TOO_LARGE, statuses=_BAD),
    _Phrase(text="request too large for", kind=_K.TOO_LARGE, statuses=_LIMITED),
    _Phrase(text="per day", kind=_K.DAILY, is_start=False, statuses=_LIMITED),
    _Phrase(text="per-day", kind=_K.DAILY, is_start=False, statuses=_LIMITED),
    _Phrase(text="(tpd)", kind=_K.DAILY, is_start=False, statuses=_LIMITED),
    _Phrase(text="(rpd)", kind=_K.DAILY, is_start=False, statuses=_LIMITED),
    _Phrase(text="model not exist", kind=_K.UNKNOWN_MODEL, statuses=_MISSING),
    _Phrase(text="is not a valid model id", kind=_K.UNKNOWN_MODEL, is_start=False, statuses=_MISSING),
    _Phrase(text="invalid model name passed in model=", kind=_K.UNKNOWN_MODEL, is_start=False, statuses=_MISSING),
    _Phrase(text="invalid url (", kind=_K.UNKNOWN_MODEL, statuses=_MISSING),
)

_DAILY_LIMITS: Final = ("perday", "per_day", "daily")
# What servers say of an address that is none, as opposed to a thing the request named.
_NO_ADDRESS: Final = frozenset({"", "not found", "file not found", "resource not found", "404 page not found"})

# `x-should-retry` settles what the kind leaves open. A throttle is waited out whatever it says, and a quota that
# "should" be retried has fooled both official SDKs.
_SHOULD_RETRY: Final[Mapping[tuple[str, FailureKind], FailureKind]] = {
    ("false", _K.SERVER): _K.INVALID,
    ("true", _K.INVALID): _K.SERVER,
}

_WAITS: Final = frozenset({_K.THROTTLED, _K.OVERLOADED, _K.SERVER, _K.DAILY, _K.QUOTA})


def classify(status: int, headers: Mapping[str, str], fault: Fault) -> FailureKind | None:
    """Say what an error means; None for a success whose body speaks of no error.

    Args:
        status: of the HTTP answer.
        headers: of the answer, names in lower case.
        fault: its body, read.
    """
    if is_success(status) and not fault.is_error:
        return None
    # A 429 means itself: whatever its body says, being throttled must not cost a row.
    stated = status if fault.number is None or status == _TOO_MANY_REQUESTS else fault.number
    kind = next((kind for weigh in _EVIDENCE if (kind := weigh(stated, fault)) is not None), _K.MALFORMED)
    return _SHOULD_RETRY.get((headers.get("x-should-retry", "").lower(), kind), kind)


def failure(
    response: WireResponse,
    *,
    otherwise: FailureKind = FailureKind.MALFORMED,
    message: str = "",
    code: str | None = None,
    usage: Usage | None = None,
) -> Failure:
    """Make the failure that an answer stands for.

    Args:
        response: the answer.
        otherwise: what it is if it is a success whose body speaks of no error.
        message: what to say then; by default, what came instead of an answer.
        code: the provider's word for it then.
        usage: what the provider billed all the same.
    """
    fault = read_fault(response.body)
    kind = classify(response.status, response.headers, fault)
    now = server_time(response.headers, response.received_at)
    wait, is_reset = _wait(kind, response.headers, fault, now)
    text = _message(kind, fault, response) if kind else presentable(message) or _describe(response)
    return Failure(
        kind=kind or otherwise,
        message=text,
        status=response.status,
        code=_code(fault) if kind else code,
        retry_after=wait,
        is_reset=is_reset,
        exact_wait=exact_wait(None if is_reset else wait, text, now) if kind in _WAITS else 0.0,
        request_id=request_id(response, fault.request_id),
        usage=usage,
    )


def _message(kind: FailureKind, fault: Fault, response: WireResponse) -> str:
    if kind is _K.UNKNOWN_MODEL and _is_no_address(fault):
        return f"no API answers at this address (HTTP {_status_name(response.status)}); check the base URL"
    return presentable(fault.message) or _describe(response)


def _wait(kind: FailureKind | None, headers: Mapping[str, str], fault: Fault, now: float) -> tuple[float | None, bool]:
    """The wait that is asked for, be it as a reset hours away, else a reset of what is used up; is it the latter?"""
    if kind not in _WAITS:
        return None, False
    wait = retry_after(headers, fault, now)
    if wait is None:
        wait = far_reset(headers, fault, now)
    if wait is not None:
        return wait, False
    wait = until_reset(headers, fault, now)
    return wait, wait is not None


def _code(fault: Fault) -> str | None:
    """The word that decided, else the most telling one, else the number."""
    telling = (word for word in fault.words if word.lower() in _CODES or word.lower() in _TYPES)
    number = None if fault.number is None else str(fault.number)
    word = next(telling, fault.words[0] if fault.words else number)
    return word and presentable(word)


def _describe(response: WireResponse) -> str:
    """Say what came, for an answer without words."""
    start = response.body[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    shapes = (
        (not start, "an empty body"),
        (start.startswith(b"<"), "HTML instead of JSON"),
        (start.startswith((b"data:", b"event:", b":")), "an event stream instead of one JSON object"),
        (start.startswith((b"{", b"[")), "JSON that holds no answer or is cut short"),
    )
    shape = next((name for is_so, name in shapes if is_so), "no JSON")
    return f"HTTP {_status_name(response.status)} with {shape}"


def _status_name(status: int) -> str:
    from http import HTTPStatus  # noqa: PLC0415 - only for answers that nobody understands

    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _by_word(table: Mapping[str, FailureKind]) -> Callable[[int, Fault], FailureKind | None]:
    def weigh(_: int, fault: Fault) -> FailureKind | None:
        return next((table[word.lower()] for word in fault.words if word.lower() in table), None)

    return weigh


def _by_limit(_: int, fault: Fault) -> FailureKind | None:
    names = [name.lower() for name in fault.limits]
    return _K.DAILY if any(mark in name for mark in _DAILY_LIMITS for name in names) else None


def _by_reasons(_: int, fault: Fault) -> FailureKind | None:
    return _K.REFUSED if fault.reasons else None


def _by_phrase(status: int, fault: Fault) -> FailureKind | None:
    said = fault.message.lower()
    for phrase in _PHRASES:
        fits = phrase.statuses is None or status in phrase.statuses
        if fits and (said.startswith(phrase.text) if phrase.is_start else phrase.text in said):
            return phrase.kind
    return None


def _by_missing(status: int, fault: Fault) -> FailureKind | None:
    """A 404 is the model's or the address's fault, unless it names another thing the request asked for."""
    if status != _NOT_FOUND:
        return None
    is_wide = _is_no_address(fault) or "model" in fault.message.lower()
    return _K.UNKNOWN_MODEL if is_wide else _K.INVALID


def _is_no_address(fault: Fault) -> bool:
    return not fault.is_error or fault.message.lower().rstrip(".") in _NO_ADDRESS


def _by_status(status: int, _: Fault) -> FailureKind | None:
    return _STATUSES.get(status) or _CLASSES.get(status // 100)


_EVIDENCE: Final[tuple[Callable[[int, Fault], FailureKind | None], ...]] = (
    _by_word(_CODES),
    _by_limit,
    _by_reasons,
    _by_phrase,
    _by_word(_TYPES),
    _by_missing,
    _by_status,
    _by_word(_VAGUE),
)
