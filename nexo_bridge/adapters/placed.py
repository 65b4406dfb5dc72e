"""Paths of the configuration: relative to its folder, some of them credentials, some of them private."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated


@dataclass(frozen=True, slots=True)
class Placed:
    """Mark of a path that ``runtime.settings`` makes absolute.

    Attributes:
        credential: it is looked for by file name in ``$CREDENTIALS_DIRECTORY`` first.
        private: refused when anybody but its owner and group may read or write it (H38).
        made_by_us: may be absent before the first start.
    """

    credential: bool = False
    private: bool = False
    made_by_us: bool = False


WrittenByUs = Annotated[Path, Placed(made_by_us=True)]
OptionalKeyWrittenByUs = Annotated[Path | None, Placed(credential=True, private=True, made_by_us=True)]
Certificate = Annotated[Path, Placed(credential=True)]
OptionalCertificate = Annotated[Path | None, Placed(credential=True)]
PrivateFile = Annotated[Path, Placed(credential=True, private=True)]
OptionalPrivateFile = Annotated[Path | None, Placed(credential=True, private=True)]
