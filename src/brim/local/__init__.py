"""The embedded model: a small real language model on this machine, behind the same HTTP as any provider.

    with LocalModel.start() as model:
        ...  # an OpenAI-compatible endpoint at model.base_url that serves model.model

It is for trying brim without a key, and for tests; see `brim.local.models` for what there is.
"""

from __future__ import annotations

from brim.local.process import LocalModel

__all__ = ["LocalModel"]
