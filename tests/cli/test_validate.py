"""``nexo-bridge validate`` as a person and as a program use it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nexo_bridge.cli import main
from nexo_bridge.nexo.elements import VERSIONS
from nexo_bridge.nexo.form import Form
from nexo_bridge.nexo.framing import frame
from nexo_bridge.nexo.json_form import in_form

CORPUS = Path(__file__).parents[1] / "corpus"
CARD = CORPUS / "3.1" / "payment-request-card.xml"


class Program:
    """The command with what it prints."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def file(self, data: bytes | str, name: str = "message.xml") -> str:
        path = self.folder / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return str(path)

    def text(self, *words: str) -> tuple[int, str]:
        code = main(["validate", *words])
        return code, self._capsys.readouterr().out

    def json(self, *words: str) -> tuple[int, list[dict[str, Any]]]:
        code, text = self.text("--json", *words)
        verdicts: list[dict[str, Any]] = json.loads(text)
        return code, verdicts


@pytest.fixture
def program(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.setenv("COLUMNS", "100")
    return Program(tmp_path, capsys)


def card(*changes: tuple[str, str]) -> str:
    text = CARD.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def test_every_sample_is_valid(program: Program) -> None:
    names = [str(path) for version in VERSIONS for path in sorted((CORPUS / version).glob("*.xml"))]
    code, text = program.text(*names)
    assert code == 0
    assert text.splitlines()[0] == f"{names[0]}: valid by version 3.1"
    assert text.endswith(f"{len(names)} of {len(names)} messages are valid\n")


def test_what_is_not_looked_at_yet_is_told(program: Program) -> None:
    told = "is looked at once this is mended"
    _, text = program.text(program.file(card(('"EUR"', '"XXZ"'))))
    assert told not in " ".join(text.split())
    code, text = program.text(program.file(card(('"EUR"', '"XXZ"'), ("RequestedAmount", "RequestedAmounts"))))
    assert code == 1
    assert "NX-022" not in text
    assert told in " ".join(text.split())


def test_faults_are_shown_with_place_and_remedy(program: Program) -> None:
    name = program.file(card(('"EUR"', '"XXZ"'), ('"KASSE-01"', '"KASSE-01 "'), ("12.50", "0")))
    code, text = program.text(name)
    assert code == 1
    at = "/SaleToPOIRequest/PaymentRequest/PaymentTransaction/AmountsReq"
    assert text.startswith(f"{name}: not valid by version 3.1: 2 faults, 1 warning\n")
    assert (
        "  line 9    NX-022\n"
        f"    at        {at}/@Currency\n"
        "    expected  A currency is an active ISO 4217 code\n"
        "    found     'XXZ'\n"
        "    fix       write the three letters of the currency, for instance EUR\n"
    ) in text
    assert f"  line 9    NX-032\n    at        {at}/@RequestedAmount\n" in text
    assert "  line 3    NX-019 (warning)\n" in text
    assert "xmlschema" not in text
    assert all(len(line) <= 100 for line in text.splitlines() if "/" not in line)


def test_json_has_exactly_the_agreed_form(program: Program) -> None:
    name = program.file(card((' Currency="EUR"', "")))
    code, verdicts = program.json(name, str(CARD))
    assert code == 1
    assert verdicts == [
        {
            "file": name,
            "version": "3.1",
            "valid": False,
            "faults": [
                {
                    "rule": "XSD-ATTRIBUTE-MISSING",
                    "line": 9,
                    "path": "/SaleToPOIRequest/PaymentRequest/PaymentTransaction/AmountsReq/@Currency",
                    "expected": verdicts[0]["faults"][0]["expected"],
                    "found": "nothing",
                    "fix": 'add Currency="…"',
                }
            ],
            "warnings": [],
        },
        {"file": str(CARD), "version": "3.1", "valid": True, "faults": [], "warnings": []},
    ]


def test_warnings_are_shown_and_stay_valid(program: Program) -> None:
    name = program.file(card(('ServiceID="92653"', 'ServiceID="92653" DeviceID="1"')))
    code, text = program.text(name)
    assert code == 0
    assert text.startswith(f"{name}: valid by version 3.1: 1 warning\n")
    assert "NX-007 (warning)" in text
    code, ((verdict),) = program.json(name)
    assert code == 0
    assert verdict["valid"] is True
    assert verdict["faults"] == []
    assert [one["rule"] for one in verdict["warnings"]] == ["NX-007"]


def test_the_protocol_version_decides(program: Program) -> None:
    old = (CORPUS / "3.0" / "login-request.xml").read_text(encoding="utf-8")
    _, (as_30,) = program.json(program.file(old))
    assert (as_30["version"], as_30["valid"]) == ("3.0", True)
    code, (as_31,) = program.json(program.file(old.replace('ProtocolVersion="3.0"', 'ProtocolVersion="3.1"')))
    assert code == 1
    assert as_31["version"] == "3.1"
    assert {one["rule"] for one in as_31["faults"]} == {"XSD-ATTRIBUTE-UNKNOWN", "XSD-ATTRIBUTE-MISSING"}


def test_without_a_known_version_the_one_that_fits_is_taken(program: Program) -> None:
    old = (CORPUS / "3.0" / "login-request.xml").read_text(encoding="utf-8")
    for text in ("", 'ProtocolVersion="2.7" '):
        plain = old.replace('ProtocolVersion="3.0" ', text)
        assert program.json(program.file(plain))[1][0]["version"] == "3.0"
        nearly = plain.replace('OperatorLanguage="de"', 'OperatorLanguage="DE"')
        _, (verdict,) = program.json(program.file(nearly))
        assert verdict["version"] == "3.0"
        assert [one["rule"] for one in verdict["faults"]] == ["XSD-VALUE-PATTERN"]
    assert program.json(program.file(card()))[1][0]["version"] == "3.1"


def test_faults_of_the_schema_come_with_header_rules_and_a_second_opinion(program: Program) -> None:
    name = program.file(card(('ServiceID="92653" ', ""), ("<AmountsReq", "<Foo/><AmountsReq")))
    code, text = program.text(name)
    assert code == 1
    assert "NX-004" in text
    assert "XSD-ELEMENT-UNKNOWN" in text
    assert "  In the words of xmlschema:\n" in text
    assert "Unexpected child with tag 'Foo'" in " ".join(text.split())


def test_a_value_is_complained_of_once(program: Program) -> None:
    _, (verdict,) = program.json(program.file(card(('Class="Service"', 'Class="Serviec"'))))
    assert [one["rule"] for one in verdict["faults"]] == ["XSD-VALUE-CODE"]


def test_no_header_at_all(program: Program) -> None:
    code, (verdict,) = program.json(program.file("<SaleToPOIRequest><LogoutRequest/></SaleToPOIRequest>"))
    assert code == 1
    assert [one["rule"] for one in verdict["faults"]] == ["XSD-ELEMENT-MISSING"]


def test_all_faults_of_a_bad_file_are_listed(program: Program) -> None:
    items = "".join(f'<SaleItem ItemID="{n}" ProductCode="x" ItemAmount="-1"/>' for n in range(30))
    name = program.file(card(("</PaymentTransaction>", f"{items}</PaymentTransaction>")))
    assert len(program.json(name)[1][0]["faults"]) == 60


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (b"", 0, "empty"),
        (b"<SaleToPOIRequest>\n<MessageHeader>\n</SaleToPOIRequest>", 3, "end tag"),
        (b"<Invoice/>", 0, "Invoice"),
        (b"[]", 0, "JSON"),
        (b"<?xml version='1.0'?>\n<!DOCTYPE x><SaleToPOIRequest/>", 2, "DOCTYPE"),
        ("<SaleToPOIRequest/>".encode("utf-16"), 0, "UTF-8"),
        (b"<SaleToPOIRequest/><SaleToPOIRequest/>", 1, "root"),
    ],
)
def test_what_is_no_nexo_document_is_named(program: Program, data: bytes, line: int, words: str) -> None:
    code, (verdict,) = program.json(program.file(data))
    assert code == 1
    assert verdict["version"] is None
    assert verdict["valid"] is False
    (fault,) = verdict["faults"]
    assert fault["rule"] == "NOT-XML"
    assert fault["line"] == line
    assert words in fault["found"]
    code, text = program.text(program.file(data))
    assert code == 1
    assert f"  line {line or '?'} " in text


def test_json_is_judged_by_the_same_rules_and_named_by_its_own_paths(program: Program) -> None:
    forms: tuple[Form, Form] = ("json", "json-bare")
    for form, root in zip(forms, ("$.SaleToPOIRequest", "$"), strict=True):
        good = in_form(CARD.read_bytes(), form)
        assert program.text(program.file(good, "good.json")) == (
            0,
            f"{program.folder}/good.json: valid by version 3.1\n",
        )
        bad = good.replace(b'"EUR"', b'"XXZ","Foo":1').replace(b'"KASSE-01"', b'"KASSE-01 "')
        code, (verdict,) = program.json(program.file(bad, "bad.json"))
        assert code == 1
        at = f"{root}.PaymentRequest.PaymentTransaction.AmountsReq"
        assert [(one["rule"], one["path"]) for one in verdict["faults"]] == [
            ("JSON-MEMBER-UNKNOWN", f"{at}.Foo"),
        ]
        assert [(one["rule"], one["path"]) for one in verdict["warnings"]] == [
            ("NX-019", f"{root}.MessageHeader.SaleID"),
        ]
        assert f"at        {at}.Foo" in program.text(program.file(bad, "bad.json"))[1]
        framed = program.file(frame(good) + frame(bad), "frames.bin")
        assert [one["valid"] for one in program.json(framed)[1]] == [True, False]


def test_every_sample_is_valid_in_json_too(program: Program) -> None:
    names = [
        program.file(in_form(path.read_bytes(), "json"), f"{version}-{path.stem}.json")
        for version in VERSIONS
        for path in sorted((CORPUS / version).glob("*.xml"))
    ]
    assert program.text(*names)[0] == 0


def test_what_is_no_json_is_named(program: Program) -> None:
    code, (verdict,) = program.json(program.file(b'{"SaleToPOIRequest":\n {"a": NaN}}'))
    assert code == 1
    assert verdict["faults"][0]["rule"] == "NOT-JSON"
    assert program.json(program.file(b'{"SaleToPOIRequest": {}}'))[1][0]["version"] == "3.1"


def test_framed_messages_are_recognised(program: Program) -> None:
    bad = card(("12.50", "0")).encode()
    name = program.file(frame(CARD.read_bytes()) + frame(bad), "frames.bin")
    code, text = program.text(name)
    assert code == 1
    assert text.startswith(f"{name}: valid by version 3.1 (framed)\n{name} (message 2): not valid by")
    assert text.endswith("1 of 2 messages are valid\n")


def test_a_cut_frame_and_another_protocol_are_named(program: Program) -> None:
    _, (verdict,) = program.json(program.file(frame(CARD.read_bytes())[:-1]))
    assert verdict["faults"][0]["rule"] == "FRAME"
    assert "cut off" in verdict["faults"][0]["found"]
    _, (verdict,) = program.json(program.file(b"GET / HTTP/1.1\r\n\r\n"))
    assert "HTTP" in verdict["faults"][0]["found"]
    code, text = program.text(program.file(b"\x00\x00\x00\x00"))
    assert code == 1
    assert "FRAME" in text


def test_standard_input(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CARD.read_bytes())))
    code, text = program.text("-")
    assert code == 0
    assert text == "-: valid by version 3.1\n"


def test_what_cannot_be_read_is_2_and_the_rest_is_judged(
    program: Program, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["validate", "--json", str(tmp_path / "none.xml"), str(tmp_path), str(CARD)])
    captured = capsys.readouterr()
    assert code == 2
    assert [one["valid"] for one in json.loads(captured.out)] == [True]
    assert captured.err.splitlines() == [
        f"nexo-bridge validate: {tmp_path}/none.xml: No such file or directory",
        f"nexo-bridge validate: {tmp_path}: Is a directory",
    ]


def test_no_file_is_usage() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["validate"])
    assert ended.value.code == 2


def test_secrets_are_never_shown(program: Program) -> None:
    text = (CORPUS / "3.1" / "payment-request-keyed.xml").read_text(encoding="utf-8")
    text = text.replace('PAN="4111111111111111"', 'PAN="4111-1111-1111-1111"')
    text = text.replace('ExpiryDate="1228"', 'Pan="5413330089020011"')
    name = program.file(text)
    shown = program.text(name)[1] + json.dumps(program.json(name)[1])
    assert "a secret value" in shown
    for secret in ("4111-1111", "4111111111111111", "5413330089020011"):
        assert secret not in shown


def test_a_reader_that_has_seen_enough_is_no_error(program: Program) -> None:
    many = [program.file(card(("12.50", "0")))] * 200
    words = [sys.executable, "-m", "nexo_bridge", "validate", *many]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait() == 1


NO_ZONE = ('TimeStamp="2025-03-14T09:26:53+01:00"', 'TimeStamp="2025-03-14T09:26:53"')
MARKED = ('Currency="EUR"', 'Currency="EUR" shopId="1" tillId="2"')


def test_tolerant_mode_tells_what_would_help(program: Program) -> None:
    name = program.file(card(NO_ZONE, MARKED))
    code, text = program.text("--tolerant", name)
    assert code == 0
    assert text.startswith(f"{name}: not valid by version 3.1: 3 faults\n")
    assert text.endswith("\n\n  valid in tolerant mode: unknown-attribute x2, missing-zone\n\n")
    assert program.text(name)[0] == 1
    code, (verdict,) = program.json("--tolerant", name)
    assert (code, verdict["valid"]) == (0, False)
    assert verdict["tolerant"] == {"valid": True, "put_right": {"unknown-attribute": 2, "missing-zone": 1}}


def test_what_tolerant_mode_does_not_help(program: Program) -> None:
    bad, broken = program.file(card(NO_ZONE, ("12.50", "12,50"))), program.file("<a", "broken.xml")
    good, slipped = str(CARD), program.file(card(NO_ZONE), "slipped.xml")
    code, text = program.text("--tolerant", bad, broken, good, slipped)
    assert code == 1
    assert text.count("  not valid in tolerant mode either\n") == 2
    assert text.endswith("2 of 4 messages are valid in tolerant mode\n")
    code, verdicts = program.json("--tolerant", bad, good)
    assert [one["tolerant"] for one in verdicts] == [
        {"valid": False, "put_right": {}},
        {"valid": True, "put_right": {}},
    ]
    assert "tolerant" not in program.json(good)[1][0]
