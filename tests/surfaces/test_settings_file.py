"""The settings file: every option by its name, limits by lane, and what is said about whatever is wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import typer

from brim.errors import ConfigError
from brim.surfaces.figures import Figures
from brim.surfaces.lane_limits import Stated
from brim.surfaces.run_options import RunOptions
from brim.surfaces.settings_file import SettingsFile, read_settings

DOCS = Path(__file__).parents[2] / "docs"
SECRET = "sk-ant-api03-0123456789abcdef"

# One good value for each option that a file may hold.
GOOD = """
output = "out.jsonl"
model = "openai:gpt-6-luna"
api = "chat"
base_url = "http://127.0.0.1:1"
system = "Be brief."
max_tokens = 5
temperature = 0
rpm = 50
tpm = 1e6
itpm = 1.5
otpm = 7
rpd = 8
tpd = 9
limit = ["40/60s", "5/1s"]
limits = "anthropic-build1"
concurrency = 3
timeout = 30
first_timeout = 20
max_attempts = 2
deadline = 60.5
budget = 5
price = "0.25/2"
template = "Say {word}."
prompt_field = "text"
format = "csv"
ca = "ca.pem"
stream = true
trace = "t.jsonl"
retry_failed = false
api_setting = { version = "2023-06-01" }

[param]
top_p = 1
stop = ["a"]
user = "@not-a-file"
response_format = { type = "json_schema", schema = { secret = "a field of the body" } }

[lanes."openai:gpt-6-luna"]
price = "1/4"

[lanes."openai:gpt-6-luna".limits]
preset = "anthropic-free"
rpm = 10
limit = ["1/1s"]

[lanes.other]
"""


def read(folder: Path, text: str) -> SettingsFile:
    path = folder / "brim.toml"
    path.write_text(text)
    return read_settings(path, RunOptions)


def option_names() -> set[str]:
    hints = get_type_hints(RunOptions, include_extras=True)
    return {name for name, hint in hints.items() if isinstance(get_args(hint)[1], typer.models.OptionInfo)}


def test_takes_every_option_by_its_name(tmp_path: Path) -> None:
    """
    All but `--config` itself, each as it is written; a new option can't be forgotten here.
    """
    file = read(tmp_path, GOOD)

    assert {*file.values, *file.tables, "config"} == option_names()
    assert file.values["limit"] == ["40/60s", "5/1s"]
    assert file.values["max_tokens"] == 5
    assert file.values["stream"] is True
    assert file.tables["param"]["top_p"] == 1
    assert file.tables["param"]["user"] == "@not-a-file"
    assert file.tables["api_setting"] == {"version": "2023-06-01"}
    assert file.figures == Figures(
        rpm=50, tpm=1e6, itpm=1.5, otpm=7, rpd=8, tpd=9, limit=["40/60s", "5/1s"], concurrency=3
    )
    assert file.lanes == {
        "openai:gpt-6-luna": Stated(preset="anthropic-free", figures=Figures(rpm=10, limit=["1/1s"])),
        "other": Stated(),
    }
    assert file.values["price"] == "0.25/2"
    assert file.prices == {"openai:gpt-6-luna": "1/4"}


def test_the_examples_of_the_documentation_are_read(tmp_path: Path) -> None:
    """
    Each file that the pages show is one.
    """
    pages = [DOCS / "reference" / "settings-file.md", DOCS / "how-to" / "respect-limits.md"]
    block = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    examples = [code for page in pages for code in block.findall(page.read_text())]

    assert len(examples) == 2
    assert all(read(tmp_path, example).lanes for example in examples)


def test_every_option_is_named_after_its_flag() -> None:
    """
    A field of the options and its long flag are the same word, so that the file needs no names of its own.
    """
    for name, hint in get_type_hints(RunOptions, include_extras=True).items():
        info = get_args(hint)[1]
        if isinstance(info, typer.models.OptionInfo):
            flags = [flag for flag in (info.default, *(info.param_decls or ())) if str(flag).startswith("--")]
            assert flags in ([], [f"--{name.replace('_', '-')}"])


def test_a_name_may_have_dashes_and_pairs_may_be_a_list(tmp_path: Path) -> None:
    """
    As the flag is spelled: `max-tokens`, and `param` as `key=value`.
    """
    file = read(tmp_path, 'max-tokens = 5\napi-setting = ["a=b"]\nparam = ["temperature=0", "user=x"]')

    assert file == SettingsFile(
        values={"max_tokens": 5}, tables={"api_setting": {"a": "b"}, "param": {"temperature": 0, "user": "x"}}
    )


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    """
    Nothing is stated, nothing is wrong.
    """
    assert read(tmp_path, "") == SettingsFile()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rmp = 3", r"there is no option 'rmp'; did you mean rpm or rpd\? `brim run --help`"),
        ("xyzzy = 3", r"there is no option 'xyzzy'; `brim run --help` lists them all"),
        ("inputs = ['a']", r"there is no option 'inputs'"),
        ("config = 'a'", r"there is no option 'config'"),
        ("rpm = 'fast'", r"rpm should be a number, not text"),
        ("rpm = true", r"rpm should be a number, not true or false"),
        ("rpm = 1979-05-27", r"rpm should be a number, not a date or time"),
        ("max-tokens = 1.5", r"max-tokens should be a whole number, not a number"),
        ("model = 3", r"model should be text, not a whole number"),
        ("output = []", r"output should be text, not a list"),
        ("stream = 'yes'", r"stream should be true or false, not text"),
        ("limit = '40/60s'", r"limit should be a list of texts, not text"),
        ("limits = {}", r"limits should be text, not a table"),
        ("param = 3", r"param should be a table, or a list of texts as key=value"),
        ("api_setting = {a = 1}", r"api_setting should be a table of texts, or a list"),
        ("param = ['a']", r"--param 'a' should look like key=value"),
        ("concurrency = 0", r"concurrency is 0; it must be 1 or more"),
        ("temperature = -0.5", r"temperature is -0.5; it must be 0 or more"),
        ("rpm = 0", r"rpm is 0; it must be a number above 0"),
        ("rpm = 1e300", r"rpm is 1e\+300; it must be a number from 1e-09 to 1e\+18"),
        ("tpd = inf", r"tpd is inf; it must be a number above 0"),
        ("timeout = 0", r"timeout is 0; it must be above 0"),
        ("budget = 0.0", r"budget is 0; it must be above 0"),
        ("limit = ['40/60s', '0/5s']", r"limit '0/5s' can't be kept; it needs 1 request or more"),
        ("limit = ['fast']", r"limit 'fast' should look like 40/60s"),
        ("limits = 'anthropic-tier2'", r"there is no preset 'anthropic-tier2'; did you mean"),
        ("max-tokens = 1\nmax_tokens = 2", r"max-tokens is given twice, as max_tokens too"),
        ("lanes = 3", r"lanes should be a table, not a whole number"),
        ("lanes.m = 3", r'lanes."m" should be a table, not a whole number'),
        ("lanes.m.rpm = 3", r'lanes."m" holds limits and no \'rpm\'; write \[lanes."m".limits\]'),
        ("price = '4'", r"price '4' should look like 0.25/2"),
        ("lanes.m.price = 4", r'lanes."m".price should be text, not a whole number'),
        ("lanes.m.price = '4'", r"lanes.\"m\": price '4' should look like 0.25/2"),
        ("lanes.m.limits = 3", r'lanes."m".limits should be a table, not a whole number'),
        ("lanes.m.limits.rmp = 3", r'lanes."m".limits has no \'rmp\'; did you mean rpm or rpd\? it has rpm, tpm, '),
        ("lanes.m.limits.rpm = 'x'", r'lanes."m".limits.rpm should be a number, not text'),
        ("lanes.m.limits.rpm = -1", r'lanes."m".limits: rpm is -1; it must be a number above 0'),
        ("lanes.m.limits.limit = ['5/0s']", r"lanes.\"m\".limits: limit '5/0s' can't be kept"),
        ("lanes.m.limits.preset = 'x'", r"lanes.\"m\".limits: there is no preset 'x'"),
        ("lanes.m.limits.concurrency = 0", r'lanes."m".limits.concurrency is 0; it must be 1 or more'),
    ],
)
def test_says_what_is_wrong_and_where(tmp_path: Path, text: str, said: str) -> None:
    """
    File, place, what is expected, and the nearest name.
    """
    with pytest.raises(ConfigError, match=r"brim\.toml: " + said):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"api_key = '{SECRET}'", "api_key"),
        ("api-key = 'x'", "api-key"),
        ("OPENAI_API_KEY = 'x'", "OPENAI_API_KEY"),
        ("key = 'x'", "key"),
        ("password = 'x'", "password"),
        ("api_setting = {authorization = 'x'}", "api_setting.authorization"),
        (f"system = '{SECRET}'", "system"),
        (f"param = {{user = '{SECRET}'}}", "param.user"),
        (f"limit = ['{SECRET}']", "limit"),
        (f"lanes.{SECRET}.limits.rpm = 1", "a name in it"),
        ("lanes.m.limits.auth_token = 'x'", "lanes.m.limits.auth_token"),
    ],
)
def test_a_key_is_refused_and_never_repeated(tmp_path: Path, text: str, place: str) -> None:
    """
    Whether its name or its form gives it away; the message says where it belongs instead.
    """
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, text)

    assert f"brim.toml: {place} looks like a key" in str(raised.value)
    assert "OPENAI_API_KEY or ANTHROPIC_API_KEY in the environment" in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"can't read the settings file .*brim\.toml: No such file"),
        (b"\xff", r"can't read the settings file .*brim\.toml: it is not UTF-8"),
        (b"a = 1\nrpm = ?", r"brim\.toml is no TOML: .*line 2"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes | None, said: str) -> None:
    """
    Not there, no text, no TOML: the message names the file.
    """
    path = tmp_path / "brim.toml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError, match=said):
        read_settings(path, RunOptions)
