from __future__ import annotations

import json

from nexo_bridge.sandbox.wire import PlatformError, Wire, json_answer


def test_a_problem_says_its_code() -> None:
    answer = PlatformError(422, "TERMINAL_BUSY", "It is busy").answer()
    assert answer.content_type == "application/problem+json"
    assert json.loads(answer.body) == {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "It is busy",
        "code": "TERMINAL_BUSY",
    }


def test_json_is_sent_unless_said_otherwise() -> None:
    answer = json_answer([1], 201, Cache_Control="no-store")
    assert (answer.status, answer.body, answer.wire) == (201, b"[1]", Wire.SEND)
    assert answer.headers == {"Cache-Control": "no-store"}
