"""From what a user names (`anthropic:claude-haiku-5-5`, a base URL, a key in the environment) to an `Endpoint`.

The variables are those that the official SDKs read. A key never comes from the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from brim.config import Endpoint, Secret
from brim.errors import ConfigError
from brim.protocols import Dialect
from brim.protocols.registry import DIALECT_NAMES, find_dialect

__all__ = ["LOCAL", "resolve", "split_model"]

LOCAL: Final = "local"
"""The prefix of models that brim serves itself."""

_DEFAULT: Final = "openai"


def split_model(spec: str | None) -> tuple[str, str | None]:
    """Split `anthropic:NAME` into dialect and model. A name with no known prefix speaks the OpenAI dialect.

    Only known prefixes are taken off, since model names hold colons too (`llama3.2:1b`).
    """
    if spec is None:
        return _DEFAULT, None
    prefix, colon, name = spec.partition(":")
    if colon and (prefix == LOCAL or prefix in DIALECT_NAMES):
        return prefix, name or None
    return _DEFAULT, spec


def resolve(
    spec: str | None,
    *,
    base_url: str | None,
    api_key: str | None,
    api: str,
    environ: Mapping[str, str],
    settings: Mapping[str, str] | None = None,
) -> tuple[Endpoint, Dialect]:
    """Find the endpoint and the dialect of *spec*.

    Args:
        spec: `[openai:|anthropic:]NAME`, or None where every request names its model.
        base_url: beats the environment, which beats the provider's own.
        api_key: beats the environment.
        api: the OpenAI API to speak, "chat" or "responses".
        environ: where keys and base URLs are looked up.
        settings: of the dialect itself, such as Anthropic's `version` and `auth`.

    Raises:
        ConfigError: no key where one is needed, or a URL that is none.
    """
    name, model = split_model(spec)
    _refuse_wrong_provider(name, model, base_url)
    plain = find_dialect(name, base_url=None, api=api)
    url = base_url or environ.get(plain.base_url_variable) or plain.default_base_url
    key = api_key or environ.get(plain.key_variable)
    endpoint = Endpoint(dialect=name, base_url=url, model=model, key=Secret(key) if key else None)
    if endpoint.key is None and not endpoint.is_loopback:
        raise ConfigError(
            f"no API key for {url}: set {plain.key_variable} in the environment "
            "(a server on this machine needs none: give its address with --base-url)"
        )
    return endpoint, find_dialect(name, base_url=url, api=api, **(settings or {}))


def _refuse_wrong_provider(name: str, model: str | None, base_url: str | None) -> None:
    if base_url is None and name == _DEFAULT and model is not None and model.startswith("claude-"):
        raise ConfigError(f"model {model!r} is Anthropic's: did you mean anthropic:{model}?")
