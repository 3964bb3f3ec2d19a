"""The provider as a whole: what it answers, what it counts, and what chance does to it."""

from __future__ import annotations

from statistics import median

import pytest

from brim.errors import ConfigError
from brim.simulator import Capacity, FaultRule, Latency, Lengths, Limit, Provider, Scenario, answer_to
from simulator.support import CHAT, HEADERS, MESSAGES, chat, provider_of, read, send

SLOW = Latency(first=10.0)


def text(provider: Provider, prompt: str) -> str:
    return str(read(send(provider, prompt))["choices"][0]["message"]["content"])


def test_every_prompt_has_its_own_answer() -> None:
    """
    The answer follows from the prompt alone, so that a test sees that every row got its own.
    """
    provider = provider_of()
    prompts = [f"prompt {number}" for number in range(200)]
    answers = [text(provider, prompt) for prompt in prompts]

    assert len(set(answers)) == 200
    assert all(answer.startswith(answer_to(prompt)) for prompt, answer in zip(prompts, answers, strict=True))
    assert answers == [text(provider_of(seed=99), prompt) for prompt in prompts]


def test_an_answer_has_as_many_tokens_as_it_says() -> None:
    """
    A token is four characters, in the text and in the usage.
    """
    body = read(send(provider_of(lengths=Lengths(tokens=300)), "ping"))

    assert len(body["choices"][0]["message"]["content"]) == 1_200
    assert body["usage"]["completion_tokens"] == 300


def test_answers_can_be_chosen() -> None:
    """
    By a mark in the prompt, by the test's own function, or by echoing.
    """
    assert text(provider_of(), 'label it [[sim:say={"label": ["a"]}]]') == '{"label": ["a"]}'
    assert text(provider_of(answer="echo"), "say this") == "say this"
    assert text(Provider(Scenario(), say=lambda ask: ask.text.upper()), "shout") == "SHOUT"
    assert text(Provider(Scenario(), say=lambda _: None), "ping") == answer_to("ping", 16)


def test_marks_set_length_and_time() -> None:
    """
    `tokens` and `seconds` in a prompt override the scenario for this call.
    """
    provider = provider_of(latency=Latency(first=1.0, per_token=0.1))

    exchange = send(provider, "[[sim:tokens=40]] [[sim:seconds=7.5]]", now=100.0)

    assert read(exchange)["usage"]["completion_tokens"] == 40
    assert exchange.delivery.end_at == 107.5


def test_faults_by_mark_for_the_first_tries() -> None:
    """
    `times` lets a fault befall the first tries alone.
    """
    provider = provider_of()
    prompt = "[[sim:fault=server_error]] [[sim:times=2]]"

    assert [send(provider, prompt).delivery.status for _ in range(4)] == [500, 500, 200, 200]


def test_faults_by_the_tests_own_choice() -> None:
    """
    A function sees each request and the number of its try; a name that is no fault is an error.
    """
    provider = Provider(Scenario(), choose=lambda ask, turn: "overloaded" if turn == 1 and "a" in ask.text else None)

    assert [send(provider, prompt).delivery.status for prompt in ("a", "b", "a")] == [503, 200, 200]
    with pytest.raises(ConfigError, match="no fault 'typo'"):
        send(Provider(Scenario(), choose=lambda ask, turn: "typo"))


@pytest.mark.parametrize(
    ("rule", "hit"),
    [
        (FaultRule(kind="conflict", ordinals=[2, 5]), [2, 5]),
        (FaultRule(kind="conflict", every=3), [3, 6]),
        (FaultRule(kind="conflict", match="call 4"), [4]),
        (FaultRule(kind="conflict", start=2.0, until=4.0), [3, 4]),
        (FaultRule(kind="conflict", times=1), [1, 2, 3, 4, 5, 6]),
        (FaultRule(kind="conflict", chance=0.0), []),
    ],
)
def test_rules_hit_what_they_name(rule: FaultRule, hit: list[int]) -> None:
    """
    Ordinals, every n-th, text, times of the clock and of the try: each condition means what it says.
    """
    provider = provider_of(faults=[rule])
    statuses = [send(provider, f"call {number}", number - 1.0).delivery.status for number in range(1, 7)]

    assert [number for number, status in enumerate(statuses, 1) if status == 409] == hit


def test_a_rule_for_no_fault_is_refused() -> None:
    """
    A rule that names no fault is told when the provider is made, not in the middle of a run.
    """
    with pytest.raises(ConfigError, match="no fault 'resett'"):
        provider_of(faults=[FaultRule(kind="resett")])


def test_chance_hits_its_share() -> None:
    """
    A fault of 10 % befalls about 10 % of many calls, and another seed befalls others.
    """

    def hits(seed: int) -> set[int]:
        provider = provider_of(seed=seed, faults=[FaultRule(kind="conflict", chance=0.1)])
        return {number for number in range(1_000) if send(provider, f"{number}").refusal}

    assert len(hits(1)) == pytest.approx(100, abs=35)
    assert hits(1) != hits(2)


def test_luck_does_not_depend_on_the_order() -> None:
    """
    The same requests in another order meet the same lengths, latencies and faults, each its own.
    """

    def fates(order: list[int]) -> dict[int, tuple[str, float, bytes]]:
        provider = provider_of(
            latency=Latency(first=1.0, spread=0.5, straggler_share=0.1),
            lengths=Lengths(shape="lognormal"),
            faults=[FaultRule(kind="conflict", chance=0.2), FaultRule(kind="empty_choices", chance=0.2)],
        )
        exchanges = {number: send(provider, f"{number}") for number in order}
        return {
            number: (
                exchange.fault,
                exchange.delivery.end_at,
                exchange.delivery.body.replace(exchange.name.encode(), b""),
            )
            for number, exchange in exchanges.items()
        }

    assert fates(list(range(100))) == fates(list(reversed(range(100))))


def test_a_refused_call_does_not_change_its_luck() -> None:
    """
    A call that a limit turned away meets, when it is admitted, what it would have met at first.
    """
    rules = [FaultRule(kind="conflict", chance=0.5, match="row")]
    free = provider_of(faults=rules)
    limited = provider_of(faults=rules, limits=[Limit(of="requests", amount=60, burst=1)])

    for number in range(20):
        send(limited, "blocker", number * 10.0)
        assert send(limited, f"row {number}", number * 10.0).refusal == "throttled"
        late = send(limited, f"row {number}", number * 10.0 + 5.0)
        assert late.refusal == send(free, f"row {number}").refusal


def test_lengths_are_heavy_tailed() -> None:
    """
    Lognormal lengths have their median, Pareto lengths their minimum, and the longest is cut at `most`.
    """

    def drawn(**fields: object) -> list[int]:
        provider = Provider(Scenario(lengths=Lengths(**fields)))  # type: ignore[arg-type]  # a table of fields
        return [read(send(provider, f"{number}"))["usage"]["completion_tokens"] for number in range(1_000)]

    lognormal = drawn(shape="lognormal", tokens=100, spread=0.8)
    pareto = drawn(shape="pareto", tokens=50, tail=1.5, most=1_000)

    assert median(lognormal) == pytest.approx(100, rel=0.1)
    assert max(lognormal) > 500
    assert min(pareto) == 50
    assert max(pareto) == 1_000


def test_latency_follows_the_output_and_some_straggle() -> None:
    """
    First token, then one more each so often; a share of the calls takes its factor times as long.
    """
    provider = provider_of(
        latency=Latency(first=1.0, per_token=0.1, per_input_token=0.01, straggler_share=0.1, straggler_factor=5.0),
        lengths=Lengths(tokens=11),
    )

    times = [send(provider, f"{number:04}").delivery.end_at for number in range(1_000)]

    assert {round(at, 9) for at in times} == {2.08, 10.4}
    assert sum(at > 5 for at in times) == pytest.approx(100, abs=30)


def test_slots_queue_first_in_first_out() -> None:
    """
    With two slots the third call waits for the first to end; nothing is refused.
    """
    provider = provider_of(capacity=Capacity(slots=2), latency=SLOW)

    ends = [send(provider, f"{number}", float(number)).delivery.end_at for number in range(5)]

    assert ends == [10.0, 11.0, 20.0, 21.0, 30.0]


def test_a_full_queue_is_busy() -> None:
    """
    Ollama's way: beyond slots and queue the call is refused with 503.
    """
    provider = provider_of(capacity=Capacity(slots=1, queue=2), latency=SLOW, vendor="ollama")

    statuses = [send(provider, f"{number}").delivery.status for number in range(4)]

    assert statuses == [200, 200, 200, 503]


def test_throughput_is_flat_beyond_the_knee() -> None:
    """
    Up to the knee each call runs at full speed; beyond, latency grows with the number of calls inside.
    """
    provider = provider_of(capacity=Capacity(knee=4), latency=SLOW)
    steep = provider_of(capacity=Capacity(knee=4, power=2.0), latency=SLOW)

    ends = [send(provider, f"{number}").delivery.end_at for number in range(8)]

    assert ends == [10, 10, 10, 10, 12.5, 15, 17.5, 20]
    assert [send(steep, f"{number}").delivery.end_at for number in range(8)][-1] == 40


def test_completed_generations_are_counted_for_each_request() -> None:
    """
    A request answered twice was paid twice, whoever asked; refused and unexecuted calls are not paid.
    """
    provider = provider_of(latency=Latency(first=1.0))
    for prompt in ("a", "b", "a", "[[sim:fault=reset]]", "[[sim:fault=server_error]]", "[[sim:fault=lost]]"):
        send(provider, prompt)
    provider.drain()

    assert provider.tally.generations_of("a", model="m") == 2
    assert provider.tally.generations_of("b", model="m") == 1
    assert provider.tally.generations_of("[[sim:fault=reset]]", model="m") == 0
    assert provider.tally.generations_of("[[sim:fault=lost]]", model="m") == 1
    assert (provider.tally.completed, provider.tally.paid_twice) == (4, 1)
    assert provider.tally.output_tokens == 4 * 16


def test_the_client_leaves_and_the_answer_is_billed() -> None:
    """
    By default a call whose client left runs to its end and is billed, and counts as running until then.
    """
    provider = provider_of(latency=SLOW, concurrency=1)
    exchange = send(provider, "a")

    provider.abandon(exchange, 2.0)

    assert send(provider, "b", 9.0).refusal == "too_many_at_once"
    assert provider.tally.completed == 0
    assert send(provider, "b", 10.0).refusal == ""
    assert (provider.tally.completed, provider.tally.abandoned) == (1, 1)


def test_the_client_leaves_and_the_answer_is_stopped() -> None:
    """
    Where cancelling stops the answer nothing is billed and its slot is free for the next.
    """
    provider = provider_of(latency=SLOW, capacity=Capacity(slots=1), on_cancel="stops")
    exchange = send(provider, "a")

    provider.abandon(exchange, 2.0)
    later = send(provider, "b", 3.0)
    provider.drain()

    assert later.delivery.end_at == 13.0
    assert provider.tally.generations_of("a", model="m") == 0
    assert (provider.tally.stopped, provider.tally.running) == (1, 1)

    unbounded = provider_of(latency=SLOW, on_cancel="stops")
    unbounded.abandon(send(unbounded, "a"), 2.0)
    assert (unbounded.drain(), unbounded.tally.completed) == (10.0, 0)


def test_leaving_after_the_end_frees_nothing() -> None:
    """
    A client that leaves while its answer is already made (it hangs on the way) is billed, whatever the scenario.
    """
    provider = provider_of(latency=SLOW, capacity=Capacity(slots=1), on_cancel="stops")
    exchange = send(provider, "[[sim:fault=hang]]")

    provider.abandon(exchange, 11.0)

    assert (provider.tally.completed, provider.tally.stopped, provider.tally.running) == (1, 0, 0)


def test_leaving_the_queue_frees_its_place() -> None:
    """
    Who leaves before the answer was begun gives its whole time to those who come later.
    """
    provider = provider_of(latency=SLOW, capacity=Capacity(slots=2), on_cancel="stops")
    calls = [send(provider, f"{number}") for number in range(4)]

    provider.abandon(calls[3], 1.0)

    assert [call.delivery.end_at for call in calls] == [10, 10, 20, 20]
    assert send(provider, "late", 2.0).delivery.end_at == 20


def test_running_calls_are_counted() -> None:
    """
    Running goes up with each accepted call and down with its end; the peak stays.
    """
    provider = provider_of()
    exchanges = [send(provider, f"{number}") for number in range(3)]
    for exchange in exchanges:
        provider.finish(exchange, 0.0)

    assert (provider.tally.running, provider.tally.peak, provider.tally.answered) == (0, 3, 3)


def test_the_snapshot_is_plain_numbers() -> None:
    """
    Everything counted, ready for JSON.
    """
    provider = provider_of(limits=[Limit(of="requests", amount=60, burst=1)])
    for number in range(2):
        send(provider, f"{number}")

    snapshot = provider.snapshot(0.5)

    assert snapshot["arrived"] == 2
    assert snapshot["accepted"] == 1
    assert snapshot["refused"] == {"throttled": 1}
    assert snapshot["taken"]["requests"] == 1
    assert snapshot["limits"] == [{"of": "requests", "per": "minute", "limit": 60.0, "remaining": 0.5}]


def test_the_log_tells_every_event_in_order() -> None:
    """
    Accepting, refusing, completing and leaving are in the log with their times.
    """
    provider = provider_of(latency=Latency(first=1.0), limits=[Limit(of="requests", amount=60, burst=1)])
    first = send(provider, "a")
    second = send(provider, "b")
    provider.finish(second, 0.0)
    provider.finish(first, 1.0)

    assert provider.log == [
        (0.0, "accept", 1, ""),
        (0.0, "refuse", 2, "throttled"),
        (0.0, "finish", 2, ""),
        (1.0, "complete", 1, ""),
        (1.0, "finish", 1, ""),
    ]


def test_the_order_of_events_does_not_depend_on_being_asked() -> None:
    """
    A provider that is asked often has the same state as one that is asked once.
    """

    def state(*, is_asked: bool) -> object:
        provider = provider_of(
            limits=[Limit(of="output", amount=600)],
            charging="anthropic",
            latency=Latency(first=1.0, per_token=0.3),
            lengths=Lengths(tokens=30),
        )
        for number in range(5):
            send(provider, f"{number}", number * 2.0, path=MESSAGES)
            for step in range(20 * is_asked):
                provider.advance(number * 2.0 + step / 10)
        return provider.snapshot(10.0)["limits"][0]["remaining"]

    assert state(is_asked=True) == pytest.approx(state(is_asked=False))


def test_a_model_is_part_of_what_is_asked() -> None:
    """
    The same prompt to two models is two requests, and not paid twice.
    """
    provider = provider_of()
    for model in ("m", "n"):
        body = chat("same").replace(b'"model":"m"', f'"model":"{model}"'.encode())
        provider.receive(CHAT, HEADERS, body, 0.0)
    provider.drain()

    assert provider.tally.paid_twice == 0
