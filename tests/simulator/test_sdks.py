"""The official SDKs as clients of `brim sim`: they parse every answer and raise the right class for every error."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import httpx2
import openai
import pytest

from brim.simulator import ERRORS, Headers, Latency, Limit, Scenario, answer_to
from brim.testing import ServedProvider, serve

FAST = Scenario(
    latency=Latency(first=0.0),
    limits=[Limit(of="requests", amount=600_000), Limit(of="tokens", amount=60_000_000)],
)

OPENAI_CLASS = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
}
ANTHROPIC_CLASS = {
    400: anthropic.BadRequestError,
    401: anthropic.AuthenticationError,
    402: anthropic.PaymentRequiredError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    408: anthropic.RequestTimeoutError,
    409: anthropic.ConflictError,
    412: anthropic.PreconditionFailedError,
    413: anthropic.RequestTooLargeError,
    422: anthropic.UnprocessableEntityError,
    429: anthropic.RateLimitError,
    501: anthropic.HTTPNotImplementedError,
    503: anthropic.ServiceUnavailableError,
    504: anthropic.DeadlineExceededError,
    529: anthropic.OverloadedError,
}
BROKEN = ["reset", "close", "lost", "truncated", "truncated_chunked", "not_http", "bad_chunk"]


@pytest.fixture(scope="module")
def provider() -> Iterator[ServedProvider]:
    with serve(FAST) as served:
        yield served


@pytest.fixture(scope="module")
def gpt(provider: ServedProvider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.base_url + "/v1", api_key="k", max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture(scope="module")
def claude(provider: ServedProvider) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=provider.base_url, api_key="k", max_retries=0, timeout=10) as client:
        yield client


def chat(client: openai.OpenAI, text: str, cap: int = 100) -> openai.types.chat.ChatCompletion:
    messages: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": text}]
    return client.chat.completions.create(model="m", messages=messages, max_completion_tokens=cap)


def message(client: anthropic.Anthropic, text: str, cap: int = 100) -> anthropic.types.Message:
    return client.messages.create(model="m", max_tokens=cap, messages=[{"role": "user", "content": text}])


def test_openai_reads_a_chat_completion(gpt: openai.OpenAI) -> None:
    """
    A plain answer is parsed into its own text, finish reason and usage.
    """
    answer = chat(gpt, "one")

    assert answer.choices[0].message.content == answer_to("one", 16)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (8, 16)
    assert answer._request_id is not None


def test_openai_sees_truncation(gpt: openai.OpenAI) -> None:
    """
    An answer cut by the cap says so.
    """
    answer = chat(gpt, "one", cap=5)

    assert answer.choices[0].finish_reason == "length"
    assert answer.choices[0].message.content == answer_to("one", 5)


def test_openai_reads_a_stream(gpt: openai.OpenAI) -> None:
    """
    The pieces of a stream make the whole answer, and the extra chunk holds the usage.
    """
    with gpt.chat.completions.create(
        model="m",
        messages=[{"role": "user", "content": "two"}],
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        chunks = list(stream)

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == answer_to("two", 16)
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 16


def test_openai_gives_a_streamed_completion_whole(gpt: openai.OpenAI) -> None:
    """
    The SDK's own accumulator of chunks is satisfied.
    """
    with gpt.chat.completions.stream(model="m", messages=[{"role": "user", "content": "two"}]) as stream:
        final = stream.get_final_completion()

    assert final.choices[0].message.content == answer_to("two", 16)


def test_openai_reads_a_response(gpt: openai.OpenAI) -> None:
    """
    The Responses API is parsed: text, status and usage.
    """
    response = gpt.responses.create(model="m", input="three", instructions="be brief")

    assert response.output_text == answer_to("be brief\nthree", 16)
    assert response.status == "completed"
    assert response.usage is not None
    assert response.usage.output_tokens == 16


def test_openai_sees_an_incomplete_response(gpt: openai.OpenAI) -> None:
    """
    A response cut by the cap is incomplete, with its reason.
    """
    response = gpt.responses.create(model="m", input="three", max_output_tokens=4)

    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


def test_openai_reads_a_streamed_response(gpt: openai.OpenAI) -> None:
    """
    The named events of a response are numbered without a gap and end with the whole response.
    """
    with gpt.responses.stream(model="m", input="four") as stream:
        events = list(stream)
        final = stream.get_final_response()

    assert final.output_text == answer_to("four", 16)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"


def test_openai_counts_embeds_and_lists(gpt: openai.OpenAI) -> None:
    """
    Token counts, embeddings (asked for in base64 by the SDK) and models are parsed.
    """
    counted = gpt.responses.input_tokens.count(model="m", input="twelve chars")
    embedded = gpt.embeddings.create(model="m", input=["a", "b"])
    again = gpt.embeddings.create(model="m", input=["a", "b"], encoding_format="float")

    assert counted.input_tokens == 10
    assert [len(row.embedding) for row in embedded.data] == [8, 8]
    assert embedded.data[1].embedding == pytest.approx(again.data[1].embedding, rel=1e-6)
    assert [model.id for model in gpt.models.list()] == ["sim-small", "sim-large"]


def test_claude_reads_a_message(claude: anthropic.Anthropic) -> None:
    """
    A plain message is parsed: text, stop reason and usage.
    """
    answer = message(claude, "one")

    assert answer.content[0].type == "text"
    assert answer.content[0].text == answer_to("one", 16)
    assert answer.stop_reason == "end_turn"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (8, 16)
    assert answer._request_id is not None


def test_claude_sees_truncation(claude: anthropic.Anthropic) -> None:
    """
    A message cut by the cap says so.
    """
    assert message(claude, "one", cap=3).stop_reason == "max_tokens"


def test_claude_reads_a_stream(claude: anthropic.Anthropic) -> None:
    """
    The events of a stream make the whole message, with the last, cumulative usage.
    """
    with claude.messages.stream(model="m", max_tokens=100, messages=[{"role": "user", "content": "two"}]) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()

    assert text == answer_to("two", 16)
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens == 16


def test_claude_counts_and_lists(claude: anthropic.Anthropic) -> None:
    """
    Token counts and models are parsed.
    """
    counted = claude.messages.count_tokens(model="m", messages=[{"role": "user", "content": "twelve chars"}])

    assert counted.input_tokens == 10
    assert [model.id for model in claude.models.list()] == ["sim-small", "sim-large"]


@pytest.mark.parametrize("kind", sorted(ERRORS))
def test_openai_raises_the_class_of_every_error(gpt: openai.OpenAI, kind: str) -> None:
    """
    Every error of OpenAI's becomes the SDK's exception for its status, with the code that the body holds.
    """
    error = ERRORS[kind]
    expected = OPENAI_CLASS.get(
        error.status, openai.InternalServerError if error.status >= 500 else openai.APIStatusError
    )

    with pytest.raises(expected) as caught:
        chat(gpt, f"[[sim:fault={kind}]]")

    assert caught.value.status_code == error.status
    if error.page is None:
        assert caught.value.code == (None if error.code is None else str(error.code))


@pytest.mark.parametrize("kind", sorted(ERRORS))
def test_claude_raises_the_class_of_every_error(claude: anthropic.Anthropic, kind: str) -> None:
    """
    Every error of Anthropic's becomes the SDK's exception for its status.
    """
    with pytest.raises(anthropic.APIStatusError) as caught:
        message(claude, f"[[sim:fault={kind}]]")

    status = caught.value.status_code
    fallback = anthropic.InternalServerError if status >= 500 else anthropic.APIStatusError
    assert isinstance(caught.value, ANTHROPIC_CLASS.get(status, fallback))
    assert type(caught.value) is not anthropic.APIStatusError or status == 425


@pytest.mark.parametrize(
    ("kind", "error_type", "code"),
    [
        ("throttled", "rate_limit_error", None),
        ("slow_down", "rate_limit_error", "ramp_limit_exceeded"),
        ("quota", "rate_limit_error", "enforced_spend_limit_reached"),
        ("overloaded", "overloaded_error", None),
        ("bad_key", "authentication_error", None),
    ],
)
def test_claude_reads_type_and_code(claude: anthropic.Anthropic, kind: str, error_type: str, code: str | None) -> None:
    """
    The SDK finds `error.type`, `error.details.error_code` and the request's id where it looks for them.
    """
    with pytest.raises(anthropic.APIStatusError) as caught:
        message(claude, f"[[sim:fault={kind}]]")

    assert (caught.value.type, caught.value.error_code) == (error_type, code)
    assert caught.value.request_id is not None


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_connections_are_connection_errors(gpt: openai.OpenAI, claude: anthropic.Anthropic, kind: str) -> None:
    """
    Resets, cuts and nonsense reach both SDKs as connection errors, not as answers.
    """
    with pytest.raises((openai.APIConnectionError, httpx2.HTTPError)):
        chat(gpt, f"[[sim:fault={kind}]]")
    with pytest.raises((anthropic.APIConnectionError, httpx2.HTTPError)):
        message(claude, f"[[sim:fault={kind}]]")


@pytest.mark.parametrize("kind", ["hang", "hang_after_headers", "dribble"])
def test_hangs_are_timeouts(provider: ServedProvider, kind: str) -> None:
    """
    A call that never answers ends by the client's own clock.
    """
    timeout = httpx2.Timeout(10, read=0.15)
    with (
        openai.OpenAI(base_url=provider.base_url + "/v1", api_key="k", max_retries=0, timeout=timeout) as client,
        pytest.raises((openai.APITimeoutError, httpx2.TimeoutException)),
    ):
        chat(client, f"[[sim:fault={kind}]]")


def test_error_frames_break_streams(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """
    An error in the middle of a stream is raised by both SDKs; the Responses API has an event for it.
    """
    text = "[[sim:fault=stream_error]]"
    with pytest.raises(openai.APIError, match="overloaded"):
        list(gpt.chat.completions.create(model="m", messages=[{"role": "user", "content": text}], stream=True))
    last = list(gpt.responses.create(model="m", input=text, stream=True))[-1]
    assert last.type == "error"
    assert last.code == "server_is_overloaded"
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        list(claude.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": text}], stream=True))


def test_a_silent_cut_raises_nothing(gpt: openai.OpenAI) -> None:
    """
    A stream that ends cleanly without its last event looks like success: the trap of the facts sheet, reproduced.
    """
    text = "[[sim:fault=stream_cut]]"
    chunks = list(gpt.chat.completions.create(model="m", messages=[{"role": "user", "content": text}], stream=True))

    assert chunks
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks)


def test_a_200_with_an_error_is_an_object_of_nothing(gpt: openai.OpenAI) -> None:
    """
    A 200 with an error body becomes an object full of None: the trap of the facts sheet, reproduced.
    """
    answer = chat(gpt, "[[sim:fault=error_in_200]]")

    assert answer.choices is None


def test_refusals_are_read(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """
    A model's refusal is found where each SDK has it.
    """
    refused = chat(gpt, "[[sim:fault=refusal]]").choices[0].message
    stopped = message(claude, "[[sim:fault=refusal]]")

    assert refused.refusal
    assert stopped.stop_reason == "refusal"
    assert stopped.stop_details is not None
    assert stopped.stop_details.category == "general_harms"


def test_headers_are_read(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """
    The headers about limits come through both SDKs' raw responses, each in its vendor's spelling.
    """
    openais = gpt.chat.completions.with_raw_response.create(
        model="m", messages=[{"role": "user", "content": "five"}]
    ).headers
    anthropics = claude.messages.with_raw_response.create(
        model="m", max_tokens=9, messages=[{"role": "user", "content": "five"}]
    ).headers

    assert openais["x-ratelimit-limit-requests"] == "600000"
    assert openais["x-ratelimit-reset-requests"].endswith("s")
    assert anthropics["anthropic-ratelimit-requests-limit"] == "600000"
    assert anthropics["anthropic-ratelimit-tokens-reset"].endswith("Z")


def test_sdks_wait_as_told() -> None:
    """
    A real refusal names its limit and tells both SDKs when to come back.
    """
    scenario = Scenario(
        latency=Latency(first=0.0),
        limits=[Limit(of="requests", amount=60, burst=1)],
        headers=Headers(waits=["ms", "seconds", "text"]),
    )
    with serve(scenario) as provider:
        with openai.OpenAI(base_url=provider.base_url + "/v1", api_key="k", max_retries=0) as gpt:
            chat(gpt, "a")
            with pytest.raises(openai.RateLimitError, match=r"Limit 60, .* Please try again in") as caught:
                chat(gpt, "b")
        assert provider.stats()["refused"] == {"throttled": 1}

    assert 0 < float(caught.value.response.headers["retry-after-ms"]) <= 1_000
    assert caught.value.response.headers["retry-after"] == "1"
    assert caught.value.response.headers["x-ratelimit-remaining-requests"] == "0"
