"""The floor: reads a framed message, parses and validates it, sends it back. No journal, no platform, no decision."""

from __future__ import annotations

import asyncio
import json
import sys

from lxml import etree

from tests.bench.processes import ROOT


async def _main() -> None:
    schema = etree.XMLSchema(etree.parse(str(ROOT / "xsd" / "nexo-retailer-3.1.xsd")))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(4):
            data = await reader.readexactly(int.from_bytes(head, "big"))
            root = etree.fromstring(data)
            assert schema.validate(root), schema.error_log
            answer = etree.tostring(root)
            writer.write(len(answer).to_bytes(4, "big") + answer)
            await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    sys.stdout.write(f"{json.dumps({'ready': 'echo', 'tcp': f'{host}:{port}'})}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
