"""Each statement of the grammar, and what is no statement."""

from __future__ import annotations

import pytest

from nexo_bridge.conversation.grammar import (
    Act,
    Disk,
    Expect,
    Hear,
    Move,
    Pass,
    Process,
    Rows,
    Say,
    ScriptError,
    SetTerminal,
    Silence,
    Statement,
    Told,
    parse,
)


def only(text: str) -> Statement:
    (line,) = parse(text).lines
    return line.statement


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("POS> Login training", Say("POS", "Login", {"training": "true"})),
        ("POS2>> repeat ServiceID=7", Say("POS2", "repeat", {"ServiceID": "7"}, at_once=True)),
        (
            "POS> Payment ServiceID=7 10.00 EUR qr",
            Say("POS", "Payment", {"ServiceID": "7", "amount": "10.00", "currency": "EUR", "qr": "true"}),
        ),
        ("POS> raw some.xml", Say("POS", "raw", {"file": "some.xml"})),
        ("POS> DisplayResponse DeviceID=9", Say("POS", "DisplayResponse", {"DeviceID": "9"})),
        ("POS< same answer", Hear("POS")),
        ("POS< perhaps Event Completed", Hear("POS", Told("Event", ("Completed",)), perhaps=True)),
        ("POS< nothing", Silence("POS")),
        ("POS< closed", Silence("POS", closed=True)),
        (
            'POS< Payment Failure Busy code=NB-202 text~="not now"',
            Hear(
                "POS",
                Told("Payment", ("Failure", "Busy"), (("code", "=", "NB-202"), ("text", "~=", "not now"))),
            ),
        ),
        (
            "POS< TransactionStatus Success of Payment Failure Refusal",
            Hear("POS", Told("TransactionStatus", ("Success",)), Told("Payment", ("Failure", "Refusal"))),
        ),
        (
            "POS< TransactionStatus Success of same answer",
            Hear("POS", Told("TransactionStatus", ("Success",)), same_inner=True),
        ),
        ("POS drops", Move("POS", "drops")),
        ("POS3 half-closes", Move("POS3", "half-closes")),
        ("POS returns", Move("POS", "returns")),
        ("POS returns by mqtt5", Move("POS", "returns", "mqtt5")),
        ("POS2 comes by http", Move("POS2", "comes", "http")),
        ("PLAT: approve", Act("approve")),
        ("PLAT: decline POIID=POI00002", Act("decline", "POI00002")),
        ("PLAT: lose answer", Act("fault", None, "lose-create-answer")),
        ("PLAT: fault reset x3 at=read_card", Act("fault", None, "reset", "read_card", 3)),
        ("PLAT: answers 202 at=fence_card x2", Act("answers", None, "202", "fence_card", 2)),
        ("PLAT: overturn", Act("overturn")),
        ("TERMINAL out-of-order", SetTerminal(None, "out-of-order")),
        ("CLOCK +150s", Pass(150.0)),
        ("CLOCK +1.5h", Pass(5400.0)),
        ("DISK waits", Disk(waits=True)),
        ("DISK goes on", Disk(waits=False)),
        ("KILL bridge", Process("KILL")),
        ("KILL bridge at Asking.decided x2", Process("KILL", "Asking.decided", 2)),
        ("START bridge", Process("START")),
        ("STOP bridge", Process("STOP")),
        ("LEDGER 1 payment charges=1", Rows(1, {"charges": "1"})),
        ("LEDGER 0 payments", Rows(0)),
        ("EXPECT journal Fenced x2", Expect("journal", "Fenced", 2)),
        ("EXPECT call create_card", Expect("call", "create_card", 1)),
        ("EXPECT no alarm PARKED", Expect("alarm", "PARKED", 0)),
    ],
)
def test_a_line_is_a_statement(text: str, statement: Statement) -> None:
    assert only(text) == statement


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hello", "begins no statement"),
        ("POS> Pay 10.00", "Payment"),
        ("POS> Payment EUR", "needs a amount"),
        ("POS> Payment 10.00 EUR CHF", "takes no 'CHF'"),
        ("POS> Login qr", "takes no 'qr'"),
        ("POS> Login ref=7", "ref= is not taken here"),
        ("POS> Payment 1.00 sale=A sale=B", "said twice"),
        ("POS> raw", "needs a file"),
        ("POS> DisplayResponse", "needs a DeviceID"),
        ("POS<", "a category comes first"),
        ("POS< code=NB-202", "a category comes first"),
        ("POS dances", "comes | drops | half-closes | returns"),
        ("POS", "comes | drops | half-closes | returns"),
        ("POS comes", "POS comes by http | mqtt3"),
        ("POS returns by pigeon", "POS comes by http | mqtt3"),
        ("POS returns mqtt5", "POS comes by http | mqtt3"),
        ("POS drops by tcp", "POS comes by http | mqtt3"),
        ("PLAT: dance", "approve"),
        ("PLAT: approve at=read_card", "PLAT: fault NAME"),
        ("PLAT: answers 202", "PLAT: answers STATUS at=OPERATION"),
        ("PLAT: answers no at=read_card", "PLAT: answers STATUS at=OPERATION"),
        ("PLAT: fault reset 3", "written xN"),
        ("TERMINAL on fire", "TERMINAL idle | out-of-order"),
        ("CLOCK 150", "CLOCK +150s"),
        ("DISK breaks", "DISK waits"),
        ("KILL", "KILL bridge"),
        ("START bridge at noon", "KILL bridge [at POINT"),
        ("LEDGER many payments", "LEDGER N payments"),
        ("EXPECT rain", "EXPECT [no]"),
        ("EXPECT no call create_card x2", "EXPECT [no]"),
        ("SET fence", "SET name=value"),
        ("SET", "SET name=value"),
        ("ALSO sprach", "ALSO dedup"),
        ("ONLY you", "ONLY custom_token | http"),
        ("ONLY", "ONLY custom_token | http"),
        ("POS> Payment 'half", "No closing quotation"),
    ],
)
def test_what_is_no_statement_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(ScriptError) as refused:
        parse(f"# a comment\n\n{text}\n")
    assert refused.value.line == 3
    assert said in str(refused.value)


def test_settings_stand_before_everything_else() -> None:
    script = parse("SET platform.fence=false login_required=true\nALSO dedup\nPOS> Login\n")
    assert script.settings == (("platform.fence", "false"), ("login_required", "true"))
    assert script.dedup
    assert not script.kills
    with pytest.raises(ScriptError, match="before everything else"):
        parse("POS> Login\nSET platform.fence=false\n")


def test_what_a_script_is_only_for_adds_up() -> None:
    assert parse("ONLY poll\nONLY mtls webhook\nPOS> Login\n").only == {"poll", "mtls", "webhook"}
    assert parse("POS> Login\n").only == frozenset()


def test_a_script_that_kills_is_known() -> None:
    assert parse("KILL bridge at Asking.decided\n").kills


def test_the_ways_a_script_needs_are_known() -> None:
    text = "POS returns\nPOS returns by mqtt5\nIF line POS2 comes by http\nPOS2 returns by http"
    assert parse(text).ways == {"mqtt5", "http"}
    assert parse("POS returns").ways == frozenset()


def test_a_line_may_depend_on_the_transport() -> None:
    lines = parse("IF line POS drops\nUNLESS line POS< nothing\nPOS< nothing").lines
    assert [line.where for line in lines] == [("line", True), ("line", False), None]


@pytest.mark.parametrize("text", ["IF", "IF line", "UNLESS wings POS drops", "IF line IF line POS drops"])
def test_what_a_line_cannot_depend_on_is_refused(text: str) -> None:
    with pytest.raises(ScriptError):
        parse(text)
