"""Every stream there is a case of."""

from __future__ import annotations

from protocols.chat_streams import BROKEN, CHAT
from protocols.named_streams import ANTHROPIC, RESPONSES

__all__ = ["STREAMS"]

STREAMS = [*CHAT, *BROKEN, *ANTHROPIC, *RESPONSES]
