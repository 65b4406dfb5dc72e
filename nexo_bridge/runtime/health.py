"""How a bridge is, in half a line; apart from what finds it out, so that asking for it loads nothing else."""

from __future__ import annotations

from typing import Any


def headline(status: dict[str, Any]) -> str:
    """``Desk.status`` in half a line: whether payments are taken, and how much is not well."""
    word = "takes payments" if status["takes_payments"] else "TAKES NO PAYMENTS"
    if status["health"] == "degraded":
        unwell = status["unwell"].items()
        word += f", degraded: {' and '.join(f'{n} of {len(status[what])} {what}' for what, n in unwell if n)}"
    return f"{word}; journal {status['journal']}"
