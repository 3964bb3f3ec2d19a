"""From the command line and a settings file to a job: flags before the file, that before a preset and the default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

import brim
from brim.config import Limits, Timeouts
from brim.errors import ConfigError
from brim.simulator import Headers, Limit, Provider, Scenario, SimTransport, run_virtual
from brim.surfaces.bulk import Job
from brim.surfaces.lane_limits import limits_of
from brim.surfaces.options import takes
from brim.surfaces.run_options import RunOptions, job_of


class Desk:
    """A command line that gives the job instead of carrying it out, and a folder for its settings file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "brim.toml"
        self._jobs: list[Job] = []
        self._app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        self._app.command()(takes(RunOptions)(lambda ctx, asked: self._jobs.append(job_of(ctx, asked))))

    def write(self, text: str) -> None:
        self.file.write_text(text)

    def job(self, *arguments: str) -> Job:
        config = ["--config", str(self.file)] if self.file.exists() else []
        output = [] if self.file.exists() and "output" in self.file.read_text() else ["-o", "o.jsonl"]
        self._app(["in.jsonl", *output, *config, *arguments], standalone_mode=False)
        return self._jobs.pop()

    def option(self, name: str, *arguments: str) -> Any:
        return dict(self.job(*arguments).options)[name]

    def limits(self, *arguments: str, lane: str = "openai:m") -> Limits:
        return limits_of(self.option("limits", *arguments), {})(lane)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_defaults(desk: Desk) -> None:
    """
    Nothing but input and output: nothing is stated.
    """
    job = desk.job()

    assert (list(job.inputs), job.output, job.model) == (["in.jsonl"], Path("o.jsonl"), None)
    assert desk.limits() == Limits()
    assert dict(job.options) | {"limits": None} == {
        "base_url": None,
        "trace": False,
        "api": "chat",
        "api_settings": {},
        "system": None,
        "max_tokens": None,
        "params": {},
        "limits": None,
        "budget_usd": None,
        "price": None,
        "prices": {},
        "timeouts": Timeouts(),
        "max_attempts": 7,
        "stream": False,
        "ca": None,
    }


def test_the_file_gives_what_no_flag_does(desk: Desk) -> None:
    """
    Every kind of option, the output too; a flag wins over its like alone.
    """
    desk.write(
        'output = "from-file.jsonl"\nmodel = "file"\nmax-attempts = 2\nstream = true\ntimeout = 30\ndeadline = 9\n'
        'prompt_field = "text"\nretry_failed = true'
    )

    job = desk.job("--model", "flag")

    assert job.output == Path("from-file.jsonl")
    assert job.model == "flag"
    assert job.options["max_attempts"] == 2
    assert job.options["stream"] is True
    assert job.options["timeouts"] == Timeouts(total=30)
    assert (job.deadline_s, job.shape.prompt_field, job.retry_failed) == (9.0, "text", True)
    assert desk.job("-o", "flag.jsonl", "--max-attempts", "7").output == Path("flag.jsonl")
    assert desk.option("max_attempts", "--max-attempts", "7") == 7  # a flag that says the default is a flag


FILE = 'rpm = 20\n[lanes."openai:m".limits]\nrpm = 30'


@pytest.mark.parametrize(
    ("file", "arguments", "rpm"),
    [
        ("", (), None),
        ("", ("--limits", "anthropic-build1"), 50),
        ("limits = 'anthropic-build1'", (), 50),
        ("limits = 'anthropic-build1'", ("--limits", "anthropic-build2"), 1_000),
        ("limits = 'anthropic-build1'\nrpm = 20", (), 20),
        ("rpm = 20", ("--limits", "anthropic-build1"), 20),
        ("rpm = 20", ("--rpm", "10"), 10),
        (FILE, (), 30),
        (FILE, ("--rpm", "10"), 10),
        (FILE, ("--limits", "anthropic-build1"), 30),
        ("[lanes.m.limits]\npreset = 'anthropic-free'", ("--limits", "anthropic-build1"), 50),
        ("limits = 'anthropic-build1'\n[lanes.m.limits]\npreset = 'anthropic-free'", (), 5),
    ],
)
def test_flag_before_file_before_preset_before_default(
    desk: Desk, file: str, arguments: tuple[str, ...], rpm: float | None
) -> None:
    """
    For all lanes and for one; a preset that a flag names takes the place of every preset of the file.
    """
    desk.write(file)

    assert desk.limits(*arguments).requests_per_minute == rpm


def test_single_flags_change_single_fields_of_a_preset(desk: Desk) -> None:
    """
    The rest of the preset stays as it is.
    """
    limits = desk.limits("--limits", "anthropic-build1", "--rpm", "10", "--concurrency", "4", "--limit", "3/1s")

    assert limits == Limits(
        requests_per_minute=10,
        tokens_per_minute=50_000,
        tokens_per_day=1_000_000,
        concurrency=4,
        windows=(brim.Window(requests=3, seconds=1.0),),
    )


def test_a_preset_above_the_default_ceiling_counts(desk: Desk) -> None:
    """
    The default of `--concurrency` is none that was asked for.
    """
    assert desk.limits("--limits", "deepseek", lane="openai:deepseek-flash").concurrency == 2_500
    assert desk.limits("--limits", "deepseek", "--concurrency", "1000", lane="deepseek-flash").concurrency == 1_000


@pytest.mark.parametrize(
    ("file", "arguments", "params"),
    [
        ("param = {a = 1, b = 2}", ("--param", "b=3", "--param", "c=4"), {"a": 1, "b": 3, "c": 4}),
        ("temperature = 0.5", (), {"temperature": 0.5}),
        ("temperature = 0.5", ("--temperature", "1"), {"temperature": 1.0}),
        ("temperature = 0.5", ("--param", "temperature=1"), {"temperature": 1}),
        ("param = {temperature = 0.5}", ("--temperature", "1"), {"temperature": 1.0}),
        ("temperature = 0.2\nparam = {temperature = 0.5}", (), {"temperature": 0.5}),
        ("param = {user = '@x', n = '1'}", (), {"user": "@x", "n": "1"}),
    ],
)
def test_body_fields_are_laid_over_each_other(
    desk: Desk, file: str, arguments: tuple[str, ...], params: dict[str, object]
) -> None:
    """
    Field by field, whichever of the two options says it; text in a file is text.
    """
    desk.write(file)

    assert desk.option("params", *arguments) == params


def test_settings_of_the_api_are_laid_over_each_other(desk: Desk) -> None:
    """
    Key by key.
    """
    desk.write("api_setting = {version = '2023-06-01', auth = 'both'}")

    assert desk.option("api_settings", "--api-setting", "auth=bearer") == {"version": "2023-06-01", "auth": "bearer"}


def test_no_file_is_looked_up_unasked(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A `brim.toml` that lies about means nothing until it is named.
    """
    monkeypatch.chdir(tmp_path)
    desk.write("rpm = 1")
    named = desk.limits()
    desk.file = tmp_path / "none.toml"

    assert named.requests_per_minute == 1
    assert desk.limits().requests_per_minute is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--limits", "antropic-start"), "there is no preset 'antropic-start'; did you mean anthropic-start"),
        (("--limits", "anthropic-build1", "--limit", "fast"), "--limit 'fast' should look like 40/60s"),
        (("--rpm", "0"), "--rpm is 0; it must be a number above 0"),
        (("--rpm", "5e-324"), r"--rpm is 4.94066e-324; it must be a number from 1e-09 to 1e\+18"),
        (("--tpm", "1e300"), r"--tpm is 1e\+300; it must be a number from 1e-09 to 1e\+18"),
        (("--limit", f"{10**400}/60s"), "can't be kept; it needs 1 request or more"),
        (("--limit", "40/0s"), "--limit '40/0s' can't be kept"),
    ],
)
def test_says_what_is_wrong_with_a_flag(desk: Desk, arguments: tuple[str, ...], said: str) -> None:
    """
    An unknown preset with near names, a window that is none, a rate that can't be kept.
    """
    with pytest.raises(ConfigError, match=said):
        desk.limits(*arguments)


def test_the_limits_of_a_file_pace_a_run(desk: Desk) -> None:
    """
    From a file with a preset and one lane's own rate to a provider that grants just that, one by one, and shows
    nothing: no refusal, full speed.
    """
    desk.write("limits = 'anthropic-build1'\n[lanes.'openai:m'.limits]\nrpm = 120")
    provider = Provider(Scenario(limits=[Limit(of="requests", amount=120, burst=1)], headers=Headers(spelling="none")))
    options = desk.job().options

    async def main() -> float:
        transport = SimTransport(provider)
        options.update({"base_url": "http://127.0.0.1:1", "environ": {}, "transport": transport, "seed": 1})
        async with brim.Client("m", **options) as client:
            assert len([result async for result in client.complete_each(f"{n}" for n in range(200))]) == 200
        return transport.now()

    ended = run_virtual(main())

    assert provider.tally.refused.total() == 0
    assert 199 * 0.5 <= ended <= 199 * 0.5 * 1.01 + 5.0


def test_a_price_on_the_command_line_beats_those_of_the_file(desk: Desk) -> None:
    """
    Those of single models too, as a preset does; the budget comes from wherever it stands.
    """
    desk.write('budget = 5\nprice = "1/4"\n[lanes.m]\nprice = "2/8"')

    assert (desk.option("budget_usd"), desk.option("price"), desk.option("prices")) == (5.0, "1/4", {"m": "2/8"})
    assert (desk.option("price", "--price", "0/0"), desk.option("prices", "--price", "0/0")) == ("0/0", {})
