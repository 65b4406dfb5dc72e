"""A bridge that ``kill -9`` hits at a named point: ``python -m tests.faults.mqtt_victim CONFIG POINT``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from nexo_bridge.runtime.daemon import run
from nexo_bridge.runtime.settings import load_settings


def main() -> int:
    config, point = sys.argv[1:]

    def checkpoint(name: str) -> None:
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    return run(load_settings(Path(config)), checkpoint=checkpoint)


if __name__ == "__main__":
    sys.exit(main())
