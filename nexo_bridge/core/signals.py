"""What the core is told (events, past tense) and what it answers (commands, imperative).

Events are pydantic models because they are journalled as inputs and fed again by replay. Commands stay in this
process and are plain dataclasses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny

from nexo_bridge.core.journal import Entry, History, Query
from nexo_bridge.nexo.messages import Message
from nexo_bridge.ppaas.models import Outcome


class Source(BaseModel):
    """Where a message came from and where an answer can go.

    Attributes:
        transport: ``tcp``, later ``tls``, ``mqtt``, ``http``.
        connection: unique in this process and never used again, e.g. ``tcp-17``.
    """

    model_config = ConfigDict(frozen=True)
    transport: str
    connection: str
