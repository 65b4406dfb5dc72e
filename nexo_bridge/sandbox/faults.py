"""What may be made to go wrong, by name. A closed list; ``docs/sandbox.md`` prints it and a test compares."""

from __future__ import annotations

from dataclasses import dataclass

FAULTS: dict[str, str] = {
    "lose-create-answer": (
        "A create is stored and begins at the terminal; the connection is closed without one byte of answer."
    ),
    "lose-create-request": "A create never reaches the platform: nothing is stored, the connection is closed.",
    "create-500-after-storing": "A create is stored and begins at the terminal; the answer is 500.",
    "create-409": "A create is refused with 409 `CONFLICT`; nothing is stored.",
    "read-404-at-first": (
        "A read finds nothing (404, by key an empty array) although the transaction exists: a replica that lags."
    ),
    "unauthorised-once": "A call with a good token is answered 401 and not carried out.",
    "token-down": "The token endpoint answers 503.",
    "token-429": "The token endpoint answers 429 with `Retry-After: 5`.",
    "token-html": "The token endpoint answers 200 with a web page.",
    "token-without-token": "The token endpoint answers 200 without an `access_token`.",
    "token-life-missing": "The token endpoint leaves `expires_in` out.",
    "token-life-zero": "The token endpoint says `expires_in` 0.",
    "token-life-negative": "The token endpoint says `expires_in` -1.",
    "token-life-string": "The token endpoint says `expires_in` as a string of digits.",
    "token-slow": "A token is issued at once; the answer is held back for `--slow` seconds (default 5).",
    "lose-refresh-answer": (
        "A refresh token is exchanged for the next; the connection is closed without one byte of answer."
    ),
    "slow-answers": "A call is carried out at once; its answer is held back for `--slow` seconds (default 5).",
    "truncate-answer": "A call is carried out; half of the answer's body is sent, then the connection is closed.",
    "reset": "A call is carried out; instead of an answer the connection is reset (TCP RST).",
    "late-create": (
        "The connection is closed without an answer; the create arrives at the platform `--late` seconds later "
        "(default 5), as if a proxy had kept it. A fence that came in between refuses it."
    ),
    "stale-reads": "A read answers the transaction as it was just after its create, whatever happened since.",
    "late-approval-after-cancel": (
        "A stop (cancel of a pending payment, abort at the terminal) is answered as accepted, but the cardholder "
        "was quicker: the payment stays pending and is approved when the cardholder's time is over. "
        "A fencing cancel is never affected: by contract it wins."
    ),
    "event-lost": "An event is never sent.",
    "event-duplicate": "An event is sent once more for each time that is left: `times` 1000 sends it 1001 times.",
    "event-reorder": (
        "An event is kept back; it is sent after the next one that is not, and of several the newest first."
    ),
    "event-before-create-answer": (
        "A create is carried out at once; its answer is held back for `--slow` seconds, so that events come first."
    ),
    "event-foreign-terminal": (
        "An event is sent over the channels of all other terminals too, and once more with a device that nobody has."
    ),
    "event-unknown-fields": (
        "An event has fields that the contract does not name, and one of a type it does not name comes before it."
    ),
    "event-unknown-status": "Before an event comes another with a status that the contract does not name.",
    "event-contradiction": "After a final event comes another with the opposite ending and a higher number.",
    "event-late-approval": (
        "A payment that ended without approval is approved `--late` seconds later, in the ledger too: offline upload."
    ),
    "webhook-forged": "Before an event comes another that tells an approval, signed with another secret.",
    "webhook-old": "Before an event comes another that tells an approval, rightly signed an hour ago.",
    "webhook-replayed": "After an event was taken its request comes once more, byte for byte.",
    "drop-stream": "Instead of an event the stream's connection is closed; the event is sent after it is resumed.",
    "invalid-resume": "A resume point is refused with 410 `RESUME_INVALID`, as if it were too old.",
    "backlog": "A stream that is opened first gets 10 000 events of payments that nobody knows any more.",
}
"""Name → what exactly happens, each time the fault is used up once."""


@dataclass(slots=True)
class _Pending:
    name: str
    poiid: str | None
    operation: str | None
    times: int


class Faults:
    """The faults that are due. Each applies ``times`` times, to one terminal or to all together."""

    def __init__(self) -> None:
        self._pending: list[_Pending] = []
        self._statuses: list[tuple[int, _Pending]] = []

    def answer_with(self, status: int, poiid: str | None, times: int, *, operation: str) -> None:
        """Make the next ``times`` calls of ``operation`` be answered with ``status`` and no body.

        Raises:
            ValueError: no HTTP status, or ``times`` is less than 1.
        """
        if not 200 <= status <= 599 or times < 1:
            raise ValueError("a status is 200 to 599, and times 1 or more")
        self._statuses.append((status, _Pending(operation, poiid, operation, times)))

    def status_of(self, poiid: str, operation: str) -> int | None:
        """The status that this call is to be answered with, if one is; used up once."""
        for entry in self._statuses:
            status, pending = entry
            if pending.operation == operation and pending.poiid in {None, poiid}:
                pending.times -= 1
                if pending.times == 0:
                    self._statuses.remove(entry)
                return status
        return None

    def inject(
        self, name: str, poiid: str | None = None, times: int = 1, *, operation: str | None = None
    ) -> None:
        """Make ``name`` happen at the next ``times`` calls it can happen to.

        Args:
            name: one of ``FAULTS``.
            poiid: only at this terminal; None for any.
            times: how often; 0 takes back what is left of it.
            operation: only at this operation of the contract; None for every one the fault can happen to.

        Raises:
            ValueError: no such fault, or ``times`` is negative.
        """
        if name not in FAULTS:
            raise ValueError(f"no fault is called {name!r}; there are {', '.join(FAULTS)}")
        if times < 0:
            raise ValueError("times must be 0 or more")
        if times == 0:
            self._pending = [fault for fault in self._pending if fault.name != name or fault.poiid != poiid]
        else:
            self._pending.append(_Pending(name, poiid, operation, times))

    def take(self, name: str, poiid: str, operation: str | None = None) -> bool:
        """Whether ``name`` happens to this call; if so it is used up once."""
        for fault in self._pending:
            if fault.name == name and fault.poiid in {None, poiid} and fault.operation in {None, operation}:
                fault.times -= 1
                if fault.times == 0:
                    self._pending.remove(fault)
                return True
        return False

    def left(self) -> dict[str, int]:
        """How often each fault is still to happen; only those that are due."""
        counts: dict[str, int] = {}
        for fault in self._pending:
            counts[fault.name] = counts.get(fault.name, 0) + fault.times
        return counts
