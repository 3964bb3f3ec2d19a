"""Every way a provider says no: what each vendor calls it, and the body it puts around it.

Two tables: what OpenAI answers, and what another vendor answers instead. The texts, types and codes are those that the
vendors document or were seen to send (docs/reference/simulator.md lists them); words in braces are filled in.
Written from the vendors' pages, not from brim's own classification, so that the two can contradict each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from brim.simulator.scenario import Dimension, Vendor

__all__ = ["ERRORS", "VENDOR_ERRORS", "ApiError", "Facts", "body_of", "error_of"]


class ApiError(msgspec.Struct, frozen=True):
    """An error answer.

    Attributes:
        status: HTTP status.
        kind: the vendor's `type` (Gemini: `status`; OpenRouter: `metadata.error_type`).
        code: the vendor's `code` (Anthropic: `details.error_code`); None for null or none.
        message: the text.
        more: further fields beside the message; for Gemini the details.
        page: the whole body, where a proxy answers instead of the API.
        waits: does the answer say how long to wait?
        should_retry: the `x-should-retry` header; None for none.
    """

    status: int
    kind: str = ""
    code: str | int | None = None
    message: str = ""
    more: dict[str, Any] = {}
    page: str | None = None
    waits: bool = False
    should_retry: bool | None = None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the words in braces stand for, and what a refusal knows about its limit."""

    model: str = ""
    text: str = ""
    param: str | None = None
    label: str = "requests per min (RPM)"
    of: Dimension = "requests"
    limit: int = 0
    used: int = 0
    asked: int = 0
    wait: float = 0.0
    wait_text: str = ""
    tokens: int = 0
    context: int = 0
    request_id: str = ""


def _html(title: str) -> str:
    return f"<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body>\r\n</html>\r\n"


_INVALID: Final = "invalid_request_error"
_LIMITED: Final = "rate_limit_exceeded"
_FULL_TEXT: Final = (
    "Rate limit reached for {model} in organization org-sim on {label}: Limit {limit}, Used {used}, "
    "Requested {asked}.{wait_text} Visit https://platform.openai.com/account/rate-limits to learn more."
)
_NO_CREDIT: Final = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this "
    "error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
)

ERRORS: Final[dict[str, ApiError]] = {
    # Too fast: waited out.
    "throttled": ApiError(429, "{of}", _LIMITED, _FULL_TEXT, waits=True),
    "slow_down": ApiError(429, "requests", "slow_down", "Please slow down: you are ramping up too fast.", waits=True),
    "too_many_at_once": ApiError(
        429, "requests", _LIMITED, "Too many requests at once: {limit} are running.{wait_text}", waits=True
    ),
    "no_capacity": ApiError(429, "requests", "resource_unavailable", "Resource Unavailable"),
    "in_flight_budget": ApiError(402, "requests", _LIMITED, "Too much in flight for the credit left.", waits=True),
    "wrapped_429": ApiError(500, "new_api_error", 429, "upstream error: too many requests"),
    "wrapped_429_as_503": ApiError(503, "new_api_error", 429, "upstream error: too many requests"),
    # No capacity: waited out.
    "overloaded": ApiError(
        503, "service_unavailable_error", "server_is_overloaded", "The server is overloaded.", waits=True
    ),
    "busy": ApiError(503, "api_error", None, "server busy, please try again. maximum pending requests exceeded"),
    "loading": ApiError(503, "unavailable_error", 503, "Loading model"),
    # The provider failed.
    "server_error": ApiError(
        500, "server_error", "server_error", "The server had an error while processing your request. Sorry!"
    ),
    "bad_gateway": ApiError(502, page=_html("502 Bad Gateway")),
    "unavailable": ApiError(503, page=_html("503 Service Temporarily Unavailable")),
    "unavailable_empty": ApiError(503, page=""),
    "gateway_timeout": ApiError(504, page=_html("504 Gateway Time-out")),
    "cdn_error": ApiError(520, page=_html("520: Web server is returning an unknown error")),
    "cdn_timeout": ApiError(524, page=_html("524: A timeout occurred")),
    "request_timeout": ApiError(408, "timeout", "request_timeout", "The request timed out."),
    "conflict": ApiError(409, _INVALID, "conflict", "The resource was locked by another request."),
    "too_early": ApiError(425, _INVALID, "too_early", "Too early."),
    # The account: the lane is closed.
    "quota": ApiError(429, "insufficient_quota", "insufficient_quota", _NO_CREDIT),
    "credit_exhausted": ApiError(429, "insufficient_quota", "credit_balance_exhausted", _NO_CREDIT),
    "spend_limit": ApiError(
        429, "insufficient_quota", "organization_spend_limit_exceeded", "The organization's spend limit is reached."
    ),
    "project_spend_limit": ApiError(
        429, "insufficient_quota", "project_spend_limit_exceeded", "The project's spend limit is reached."
    ),
    "usage_limit": ApiError(
        429, "insufficient_quota", "organization_usage_limit_exceeded", "The organization's usage limit is reached."
    ),
    "hard_limit": ApiError(400, _INVALID, "billing_hard_limit_reached", "Billing hard limit has been reached."),
    "billing": ApiError(402, "unknown_error", "invalid_request_error", "Insufficient Balance"),
    "on_hold": ApiError(403, _INVALID, "organization_on_hold", "Your organization is on hold."),
    "daily_limit": ApiError(429, "{of}", _LIMITED, _FULL_TEXT, waits=True),
    "bad_key": ApiError(
        401, _INVALID, "invalid_api_key",
        "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.",
    ),
    "bad_address": ApiError(401, _INVALID, "ip_not_authorized", "Your IP address is not authorized."),
    "region": ApiError(
        403, "request_forbidden", "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    "permission": ApiError(
        403, _INVALID, "insufficient_permissions", "You have insufficient permissions for this operation."
    ),
    "unknown_model": ApiError(
        404, _INVALID, "model_not_found",
        "The model `{model}` does not exist or you do not have access to it.",
    ),
    "not_found": ApiError(404, _INVALID, "unknown_url", "Invalid URL (POST {text})"),
    # The row: refused as it stands.
    "too_large_for_limit": ApiError(
        429, "{of}", _LIMITED,
        "Request too large for {model} in organization org-sim on {label}: Limit {limit}, Requested {asked}. "
        "The input or output tokens must be reduced in order to run successfully.",
        should_retry=False,
    ),
    "context_too_long": ApiError(
        400, _INVALID, "context_length_exceeded",
        "This model's maximum context length is {context} tokens. However, your messages resulted in {tokens} "
        "tokens. Please reduce the length of the messages.",
    ),
    "invalid": ApiError(400, _INVALID, None, "{text}"),
    "unprocessable": ApiError(422, _INVALID, None, "{text}"),
    "precondition": ApiError(412, _INVALID, None, "A precondition failed."),
    "not_implemented": ApiError(501, "not_supported_error", None, "This server does not support this."),
    "body_too_large": ApiError(413, _INVALID, "request_too_large", "Request exceeds the maximum size."),
    "content_filter": ApiError(
        400, _INVALID, "content_policy_violation", "Your request was rejected as a result of our safety system."
    ),
    "invalid_prompt": ApiError(
        400, _INVALID, "invalid_prompt",
        "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
    ),
    "moderation": ApiError(403, _INVALID, "misalignment_policy_violation", "The request was blocked by a guardrail."),
}  # fmt: skip
"""OpenAI's answers, and the names under which errors are known here."""

_A_LIMIT: Final = (
    "This request would exceed your organization's rate limit of {limit} {label}. For details, refer to: "
    "https://docs.claude.com/en/api/rate-limits."
)
_ANTHROPIC: Final = {
    "throttled": ApiError(429, "rate_limit_error", None, _A_LIMIT, waits=True),
    "daily_limit": ApiError(429, "rate_limit_error", None, _A_LIMIT, waits=True),
    "too_large_for_limit": ApiError(429, "rate_limit_error", None, _A_LIMIT),
    "too_many_at_once": ApiError(
        429, "rate_limit_error", None, "Number of concurrent connections has exceeded your rate limit.", waits=True
    ),
    "slow_down": ApiError(
        429, "rate_limit_error", "ramp_limit_exceeded", "Your usage grows too fast. Ramp up more slowly.", waits=True
    ),
    "overloaded": ApiError(529, "overloaded_error", None, "Overloaded"),
    "busy": ApiError(529, "overloaded_error", None, "Overloaded"),
    "server_error": ApiError(500, "api_error", None, "Internal server error"),
    "gateway_timeout": ApiError(504, "timeout_error", None, "The request timed out while processing."),
    "quota": ApiError(429, "rate_limit_error", "enforced_spend_limit_reached", "Your monthly spend limit is reached."),
    "spend_limit": ApiError(
        400, _INVALID, None,
        "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
    ),
    "project_spend_limit": ApiError(
        400, _INVALID, None,
        "You have reached your specified workspace API usage limits. "
        "You will regain access on 2026-12-01 at 00:00 UTC.",
    ),
    "usage_limit": ApiError(
        429, "rate_limit_error", "contract_spend_limit_reached", "Your contract's spend limit is reached."
    ),
    "billing": ApiError(402, "billing_error", None, "Your credit balance is too low to access the API."),
    "on_hold": ApiError(400, _INVALID, "organization_on_hold", "Your organization is on hold."),
    "bad_key": ApiError(401, "authentication_error", None, "invalid x-api-key"),
    "bad_address": ApiError(401, "authentication_error", None, "IP address not allowed"),
    "region": ApiError(403, "permission_error", None, "Access from this region is not supported."),
    "permission": ApiError(403, "permission_error", None, "Your API key may not use this resource."),
    "unknown_model": ApiError(404, "not_found_error", None, "model: {model}"),
    "not_found": ApiError(404, "not_found_error", None, "Not found"),
    "context_too_long": ApiError(
        400, _INVALID, None, "prompt is too long: {tokens} tokens > {context} maximum"
    ),
    "content_filter": ApiError(400, _INVALID, None, "Output blocked by content filtering policy"),
    "body_too_large": ApiError(413, "request_too_large", None, "Request exceeds the maximum size"),
    "conflict": ApiError(409, "conflict_error", None, "The resource was changed by another request."),
    "request_timeout": ApiError(408, "timeout_error", None, "The request timed out."),
}  # fmt: skip
_AZURE_LIMIT: Final = (
    "Requests to the ChatCompletions_Create Operation under Azure OpenAI API have exceeded token rate limit of your "
    "current OpenAI pricing tier.{wait_text}"
)
_AZURE: Final = {
    "throttled": ApiError(429, "", "429", _AZURE_LIMIT, waits=True),
    "daily_limit": ApiError(429, "", "429", _AZURE_LIMIT, waits=True),
    "bad_key": ApiError(
        401, "", "401", "Access denied due to invalid subscription key or wrong API endpoint."
    ),
    "unknown_model": ApiError(404, "", "DeploymentNotFound", "The API deployment for this resource does not exist."),
    "content_filter": ApiError(
        400, "", "content_filter",
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        {"innererror": {"code": "ResponsibleAIPolicyViolation"}, "status": 400, "param": "prompt"},
    ),
}  # fmt: skip
_GEMINI: Final = {
    "throttled": ApiError(429, "RESOURCE_EXHAUSTED", 429, "You exceeded your current quota.", waits=True),
    "daily_limit": ApiError(
        429, "RESOURCE_EXHAUSTED", 429, "You exceeded your current quota.",
        {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}, waits=True,
    ),
    "overloaded": ApiError(503, "UNAVAILABLE", 503, "The model is overloaded. Please try again later."),
    "server_error": ApiError(500, "INTERNAL", 500, "An internal error has occurred."),
    "bad_key": ApiError(401, "UNAUTHENTICATED", 401, "API key not valid. Please pass a valid API key."),
    "region": ApiError(400, "FAILED_PRECONDITION", 400, "User location is not supported for the API use."),
    "billing": ApiError(402, "FAILED_PRECONDITION", 402, "Your prepayment credits are used up."),
    "permission": ApiError(403, "PERMISSION_DENIED", 403, "Permission denied."),
    "unknown_model": ApiError(404, "NOT_FOUND", 404, "models/{model} is not found."),
    "invalid": ApiError(400, "INVALID_ARGUMENT", 400, "{text}"),
}  # fmt: skip
_OPENROUTER: Final = {
    "throttled": ApiError(429, "rate_limit_exceeded", 429, "Rate limit exceeded: {label}", waits=True),
    "daily_limit": ApiError(
        429, "rate_limit_exceeded", 429, "Rate limit exceeded: free-models-per-day.",
        {"limit_source": "openrouter_free_tier_daily"}, waits=True,
    ),
    "in_flight_budget": ApiError(
        402, "payment_required", 402, "The requests in flight need more credit than is left.",
        {"limit_source": "openrouter_in_flight_budget"}, waits=True,
    ),
    "overloaded": ApiError(503, "provider_overloaded", 503, "The provider is overloaded.", waits=True),
    "server_error": ApiError(500, "server_error", 500, "Internal Server Error"),
    "billing": ApiError(402, "payment_required", 402, "Insufficient credits. Add more to continue."),
    "quota": ApiError(402, "payment_required", 402, "Insufficient credits. Add more to continue."),
    "bad_key": ApiError(401, "unauthorized", 401, "No auth credentials found"),
    "moderation": ApiError(
        403, "moderation", 403, "The input was flagged.", {"reasons": ["harassment"], "provider_name": "sim"}
    ),
    "context_too_long": ApiError(
        400, "token_limit_exceeded", 400,
        "This endpoint's maximum context length is {context} tokens, you asked for {tokens}.",
    ),
    "unknown_model": ApiError(404, "not_found", 404, "No endpoints found for {model}."),
}  # fmt: skip
_VLLM: Final = {
    "invalid": ApiError(400, "BadRequestError", 400, "{text}"),
    "context_too_long": ApiError(
        400, "BadRequestError", 400,
        "This model's maximum context length is {context} tokens. However, you requested {tokens} tokens.",
    ),
    "unknown_model": ApiError(404, "NotFoundError", 404, "The model `{model}` does not exist."),
    "server_error": ApiError(500, "InternalServerError", 500, "EngineCore encountered an issue."),
    "bad_key": ApiError(401, "Unauthorized", 401, "Unauthorized"),
}  # fmt: skip
_LLAMACPP: Final = {
    "invalid": ApiError(400, _INVALID, 400, "{text}"),
    "context_too_long": ApiError(
        400, "exceed_context_size_error", 400,
        "the request exceeds the available context size, try increasing it",
        {"n_prompt_tokens": "{tokens}", "n_ctx": "{context}"},
    ),
    "overloaded": ApiError(503, "unavailable_error", 503, "Loading model"),
    "bad_key": ApiError(401, "authentication_error", 401, "Invalid API Key"),
    "server_error": ApiError(500, "server_error", 500, "Internal error"),
}  # fmt: skip
_OLLAMA: Final = {
    "unknown_model": ApiError(404, "not_found_error", None, "model '{model}' not found"),
    "overloaded": ERRORS["busy"],
    "server_error": ApiError(500, "api_error", None, "llama runner process has terminated"),
}
_NEWAPI: Final = {"throttled": ERRORS["wrapped_429"]}

VENDOR_ERRORS: Final[dict[Vendor, dict[str, ApiError]]] = {
    "openai": {},
    "anthropic": _ANTHROPIC,
    "azure": _AZURE,
    "gemini": _GEMINI,
    "openrouter": _OPENROUTER,
    "vllm": _VLLM,
    "llamacpp": _LLAMACPP,
    "ollama": _OLLAMA,
    "newapi": _NEWAPI,
    "deepseek": {},
    "groq": {},
    "litellm": {},
}
"""What a vendor answers where it differs from OpenAI."""


def error_of(vendor: Vendor, name: str) -> ApiError:
    """The error *name* as *vendor* answers it. Raises `KeyError` if there is none of this name."""
    return VENDOR_ERRORS[vendor].get(name) or ERRORS[name]


Shape: TypeAlias = Callable[[ApiError, str, Facts], object]


def _openai(error: ApiError, message: str, facts: Facts) -> object:
    return {"error": {"message": message, "type": error.kind, "param": facts.param, "code": error.code, **error.more}}


def _anthropic(error: ApiError, message: str, facts: Facts) -> object:
    inner: dict[str, object] = {"type": error.kind, "message": message}
    if error.code is not None:
        inner["details"] = {"error_code": error.code}
    return {"type": "error", "error": inner, "request_id": facts.request_id}


def _azure(error: ApiError, message: str, facts: Facts) -> object:
    if error.kind:
        return _openai(error, message, facts)
    return {"error": {"code": error.code, "message": message, **error.more}}


def _gemini(error: ApiError, message: str, facts: Facts) -> object:
    details: list[object] = []
    if "quotaId" in error.more:
        details.append({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [error.more]})
    if error.waits and facts.wait:
        wait = f"{facts.wait:.3f}".rstrip("0").rstrip(".")
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{wait}s"})
    status = error.kind if error.kind.isupper() else "UNKNOWN"
    return [{"error": {"code": error.status, "message": message, "status": status, "details": details}}]


def _openrouter(error: ApiError, message: str, _facts: Facts) -> object:
    return {
        "error": {
            "code": error.code if isinstance(error.code, int) else error.status,
            "message": message,
            "metadata": {"error_type": error.kind, **error.more},
        }
    }


def _vllm(error: ApiError, message: str, facts: Facts) -> object:
    return {"error": {"message": message, "type": error.kind, "param": facts.param, "code": error.status}}


def _llamacpp(error: ApiError, message: str, facts: Facts) -> object:
    sizes = {name: {"{tokens}": facts.tokens, "{context}": facts.context}[text] for name, text in error.more.items()}
    return {"error": {"code": error.status, "message": message, "type": error.kind, **sizes}}


_SHAPES: Final[dict[Vendor, Shape]] = {
    "anthropic": _anthropic,
    "azure": _azure,
    "gemini": _gemini,
    "openrouter": _openrouter,
    "vllm": _vllm,
    "llamacpp": _llamacpp,
}


def body_of(vendor: Vendor, error: ApiError, facts: Facts) -> bytes:
    """The body of *error* as *vendor* writes it."""
    if error.page is not None:
        return error.page.encode()
    message = error.message.format_map(msgspec.structs.asdict(facts))
    kind = error.kind.format(of="requests" if facts.of == "requests" else "tokens")
    error = msgspec.structs.replace(error, kind=kind)
    return msgspec.json.encode(_SHAPES.get(vendor, _openai)(error, message, facts))
