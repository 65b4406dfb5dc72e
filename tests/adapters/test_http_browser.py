"""A web page in a real browser tries to pay (H33); nothing of it reaches the core, and the page learns nothing."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.adapters.http_rig import PATH, answer, listening, payment

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOW_TO_GET_IT = "no Chromium here: sudo apt-get install -y chromium"
PATIENCE = 100.0

PAGE = """<!doctype html><title>a page somebody opened in the shop</title>
<form id="plain" method="post" enctype="text/plain" target="one"><input name="x"></form>
<form id="usual" method="post" target="two"><input name="x"></form>
<iframe name="one"></iframe><iframe name="two"></iframe><pre id="told"></pre>
<script>
const url = URL_OF_THE_BRIDGE, other = NAME_OF_THE_BRIDGE, message = MESSAGE;
const xml = {"Content-Type": "application/xml"};
const tries = {
  plain: () => fetch(url, {method: "POST", mode: "no-cors", body: message}),
  untyped: () => fetch(url, {method: "POST", mode: "no-cors", body: new Blob([message])}),
  asked: () => fetch(url, {method: "POST", headers: xml, body: message}),
  credentials: () => fetch(url, {method: "POST", headers: xml, body: message, credentials: "include"}),
  rebound: () => fetch(other, {method: "POST", mode: "no-cors", body: message}),
  got: () => fetch(url, {mode: "no-cors"}),
  beacon: async () => navigator.sendBeacon(url, new Blob([message], {type: "application/xml"})),
  image: () => new Promise((done, failed) => {
    const image = new Image(); image.onload = done; image.onerror = failed; image.src = url;
  }),
  form: () => { for (const name of ["plain", "usual"]) {
    const form = document.getElementById(name); form.action = url; form.elements.x.value = message; form.submit();
  } },
};
(async () => {
  const told = {};
  for (const [name, attempt] of Object.entries(tries)) {
    try { const made = await attempt(); told[name] = made && made.type ? made.type + " " + made.status : "sent"; }
    catch { told[name] = "failed"; }
  }
  document.getElementById("told").textContent = JSON.stringify(told);
})();
</script>"""


@asynccontextmanager
async def serving(page: str) -> AsyncIterator[int]:
    """An origin of its own: another port."""
    body = page.encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def opened(url: str, folder: Path) -> str:
    """The page as the browser has it once its scripts are done."""
    assert CHROMIUM is not None
    browser = await asyncio.create_subprocess_exec(
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        f"--user-data-dir={folder}",
        "--host-resolver-rules=MAP rebound.example 127.0.0.1",
        "--virtual-time-budget=20000",
        "--dump-dom",
        url,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, _ = await browser.communicate()
    finally:
        if browser.returncode is None:
            browser.kill()
            await browser.wait()
    return out.decode()


@pytest.mark.timeout(120)  # a browser takes some seconds to start, on a busy machine many
@pytest.mark.skipif(CHROMIUM is None, reason=HOW_TO_GET_IT)
async def test_h33_a_page_in_a_browser_cannot_pay(tmp_path: Path) -> None:
    async with listening() as rig:
        page = (
            PAGE.replace("URL_OF_THE_BRIDGE", json.dumps(f"http://127.0.0.1:{rig.port}{PATH}"))
            .replace("NAME_OF_THE_BRIDGE", json.dumps(f"http://rebound.example:{rig.port}{PATH}"))
            .replace("MESSAGE", json.dumps(payment().decode()))
        )
        with capture_logs() as records:
            async with serving(page) as port:
                dom = await opened(f"http://127.0.0.1:{port}/", tmp_path)
        found = re.search(r'<pre id="told">(.*?)</pre>', dom, re.DOTALL)
        assert found is not None, dom
        told = json.loads(unescape(found[1]))
        assert told == {
            "plain": "opaque 0",
            "untyped": "opaque 0",
            "asked": "failed",
            "credentials": "failed",
            "rebound": "opaque 0",
            "got": "opaque 0",
            "beacon": "sent",
            "image": "failed",
            "form": "sent",
        }
        refused = [one["status"] for one in records if one["event"] == "http_request_refused"]
        assert len(refused) >= 7, "they came, and went"
        assert set(refused) == {403}
        assert rig.intake.taken.empty()

        client, source = await rig.asked()
        await rig.listener.write(source, answer())
        assert (await client.response()).status == 200, "a till is served as before"
