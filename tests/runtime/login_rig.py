"""A sandbox to log in at, and a browser with a person before it."""

from __future__ import annotations

import asyncio
import html
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from nexo_bridge.runtime.settings import Settings, load_settings
from nexo_bridge.sandbox import realms
from nexo_bridge.sandbox.server import Options, Sandbox

POIID = "POI00001"


@asynccontextmanager
async def sandbox_for(
    folder: Path, grant: str, edit: Callable[[str], str] = lambda text: text
) -> AsyncIterator[tuple[Sandbox, Path]]:
    """A sandbox, and a configuration in which nothing but a person can begin a session."""
    async with Sandbox(Options(state=folder, grant=grant, terminals=1)) as sandbox:
        text = sandbox.config_path.read_text(encoding="utf-8")
        text = text.replace('merchant_token = "merchant.token"\n', "").replace(
            'password = "user.password"\n', ""
        )
        path = folder / "by-hand.toml"
        path.write_text(edit(text), encoding="utf-8")
        yield sandbox, path


async def settings_of(path: Path) -> Settings:
    return await asyncio.to_thread(load_settings, path, {})


class Browser:
    """Follows the address as a browser does, and fills in the form; ``end`` is where it ended."""

    def __init__(self, sandbox: Sandbox, *, consent: str = "yes", password: str = realms.PASSWORD) -> None:
        self._ca = sandbox.config_path.parent / "certificates" / "ca.pem"
        self._form = {"consent": consent, "password": password}
        self.end = ""
        self.pages: list[str] = []

    async def follow(self, url: str, *, back: bool = True) -> str:
        """Log in at ``url``; with ``back`` the last address is visited too."""
        tls = ssl.create_default_context(cafile=str(self._ca))
        async with httpx.AsyncClient(verify=tls) as client:
            page = await client.get(url)
            assert page.status_code == 200, page.text
            form = {
                name: html.unescape(value)
                for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', page.text)
            }
            action = re.findall(r'action="([^"]*)"', page.text)[0]
            answer = await client.post(page.url.join(action), data={**form, **self._form})
            self.end = answer.headers.get("location", "")
            if back:
                self.pages.append((await client.get(self.end)).text)
        return self.end
