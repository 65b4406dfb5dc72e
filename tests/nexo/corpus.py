"""The sample messages of tests/corpus, and both schemas, for tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from nexo_bridge.errors import Violation
from nexo_bridge.nexo import codec
from nexo_bridge.nexo.elements import VERSIONS, Version
from nexo_bridge.nexo.messages import Message
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.redaction import Secret

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "corpus"
SAMPLES: tuple[tuple[Version, str], ...] = tuple(
    (version, path.stem) for version in VERSIONS for path in sorted((FOLDER / version).glob("*.xml"))
)
"""(version, name) of every sample."""


def xsd(version: Version) -> bytes:
    return (ROOT / "xsd" / f"nexo-retailer-{version}.xsd").read_bytes()


@cache
def schemas() -> Schemas:
    return Schemas({version: xsd(version) for version in VERSIONS})


def sample(name: str, version: Version = "3.1") -> bytes:
    return (FOLDER / version / f"{name}.xml").read_bytes()


def seal(clear: str) -> Secret:
    return Secret.seal(clear, b"a key for tests")


def read(data: bytes, version: Version = "3.1") -> tuple[Message, tuple[Violation, ...]]:
    return codec.read(codec.parse(data), version, schemas(), seal)
