"""The sandbox as a process that also tells when each call came and when its answer was ready.

``GET /times`` at the control port gives what happened since the last time: serial number of the device, method,
path, moment of arrival, moment of the answer, by the machine's monotonic clock, which all its processes share.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from pathlib import Path
from time import monotonic

from nexo_bridge.sandbox.server import Options, Sandbox
from nexo_bridge.sandbox.wire import Answer, Handler, Request, json_answer


class TimedSandbox(Sandbox):
    """Adds a stop watch to every port."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._times: list[tuple[str, str, str, float, float]] = []

    async def _listen(self, handler: Handler, tls: ssl.SSLContext | None, port: int) -> str:
        return await super()._listen(self._told(handler) if tls is None else self._timed(handler), tls, port)

    def _timed(self, handler: Handler) -> Handler:
        async def handle(request: Request) -> Answer:
            arrived = monotonic()
            try:
                return await handler(request)
            finally:
                serial = request.certificate.serial if request.certificate else ""
                self._times.append((serial, request.method, request.path, arrived, monotonic()))

        return handle

    def _told(self, handler: Handler) -> Handler:
        async def handle(request: Request) -> Answer:
            if request.path != "/times":
                return await handler(request)
            told, self._times = self._times, []
            return json_answer(told)

        return handle


async def _main(folder: str, terminals: str) -> None:
    async with TimedSandbox(Options(state=Path(folder), think=0.0, terminals=int(terminals))) as sandbox:
        serials = {one["serial"]: one["poiid"] for one in sandbox.terminals()}
        said = {"control": sandbox.control_url, "config": str(sandbox.config_path), "serials": serials}
        sys.stdout.write(f"{json.dumps(said)}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
