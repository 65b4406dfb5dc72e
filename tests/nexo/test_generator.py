"""The generated files are what the facts say, to the byte, and the facts name nothing that is not there."""

from __future__ import annotations

import pytest

from tests.nexo import generator
from tests.nexo.building import STRUCTURES, structures
from tests.nexo.generator import FACTS, ROOT, ROOTS


@pytest.mark.parametrize("path", sorted(generator.files()))
def test_the_committed_file_is_what_the_facts_say(path: str) -> None:
    assert (ROOT / path).read_text("utf-8") == generator.files()[path], "run python tests/nexo/generator.py"


def test_every_structure_is_reached_by_a_message() -> None:
    assert set(structures("3.1")) == set(STRUCTURES)
    assert set(structures("3.0")) == {name for name, fact in STRUCTURES.items() if "versions" not in fact}


def test_every_type_of_text_is_used() -> None:
    used = {
        fact["value"]
        for structure in STRUCTURES.values()
        for fact in [
            *structure.get("attributes", []),
            *structure.get("elements", []),
            structure.get("text", {}),
        ]
        if "value" in fact
    }
    named = set(FACTS["values"]) | {f"{name}-code" for name in FACTS["codes"]}
    assert used | {value.removesuffix("s") for value in used if value.endswith("-codes")} >= named
    assert used <= named | {f"{name}-codes" for name in FACTS["codes"]}


def test_28_categories_in_31_and_27_in_30() -> None:
    assert len(FACTS["categories"]) == 28
    assert [name for name, row in FACTS["categories"].items() if "versions" in row] == ["TransactionReport"]
    assert set(generator.code_values("message-category", "3.1")) == set(FACTS["categories"])


def test_every_body_belongs_to_a_category() -> None:
    bodies = [fact["name"] for root in ROOTS for fact in STRUCTURES[root]["elements"][1]["choice"]]
    rows = FACTS["categories"].values()
    assert sorted(bodies) == sorted(
        [row["request"] for row in rows] + [row["response"] for row in rows if "response" in row]
    )


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("POIID", "poi_id"),
        ("SaleToPOIData", "sale_to_poi_data"),
        ("AcquirerPOIID", "acquirer_poi_id"),
        ("PEDOKFlag", "ped_ok_flag"),
        ("OutputXHTML", "output_xhtml"),
        ("POITransactionID", "poi_transaction_id"),
        ("APDUPar1", "apdu_par1"),
    ],
)
def test_field_names(name: str, field: str) -> None:
    assert generator.snake(name) == field
