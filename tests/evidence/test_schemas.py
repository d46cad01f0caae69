"""The shipped JSON Schemas are those of the models, and what is signed is valid against them."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lockdown.data import tree
from lockdown.evidence import trust
from lockdown.evidence.files import BUNDLE, RUN
from lockdown.evidence.keys import FileSigner
from lockdown.evidence.schemas import schemas, written
from tests.evidence.handmade import changed_root, root


def shipped(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((tree("reports") / "schemas" / name).read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


@pytest.mark.parametrize("name", schemas())
def test_the_shipped_schema_is_the_models(name: str) -> None:
    current = written(schemas()[name])
    assert (tree("reports") / "schemas" / name).read_bytes() == current, "run python -m lockdown.evidence.schemas"


@pytest.mark.parametrize(("envelope", "name"), [(RUN, "audit-run-v1.json"), (BUNDLE, "evidence-bundle-v1.json")])
def test_what_is_signed_is_valid_and_names_its_schema(sealed: Path, envelope: str, name: str) -> None:
    statement = json.loads(b64decode(json.loads((sealed / envelope).read_bytes())["payload"]))
    jsonschema.validate(statement["predicate"], shipped(name))
    assert statement["predicateType"] == shipped(name)["$id"]
    for field in statement["predicate"]:
        smaller = {key: value for key, value in statement["predicate"].items() if key != field}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(smaller, shipped(name))


def test_trust_roots_are_valid(key: FileSigner) -> None:
    revoked = changed_root(root(key), key_revokedAt="2026-01-01T00:00:00Z", key_reason="The disk was lost.")
    for accepted in (root(key), root(key, lab=True), revoked):
        jsonschema.validate(json.loads(trust.written(accepted)), shipped("trust-root-v1.json"))
