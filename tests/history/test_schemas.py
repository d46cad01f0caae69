"""The shipped JSON Schemas are those of the models, and what is written is valid against them."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path

import jsonschema
import pytest

from lockdown.data import tree
from lockdown.evidence.keys import FileSigner
from lockdown.evidence.schemas import written
from lockdown.history.schemas import schemas
from lockdown.history.store import Folder
from tests.history.test_chain import made


@pytest.mark.parametrize("name", schemas())
def test_the_shipped_schema_is_the_models(name: str) -> None:
    current = written(schemas()[name])
    assert (tree("reports") / "schemas" / name).read_bytes() == current, "run python -m lockdown.history.schemas"


def test_what_is_written_is_valid(tmp_path: Path, key: FileSigner) -> None:
    store = Folder(tmp_path / "store")
    made(store, key, tmp_path / "run")
    record, origin = (schemas()[f"history-{name}-v1.json"] for name in ("record", "store"))
    jsonschema.validate(json.loads((store.path / "store.json").read_bytes()), origin)
    for name in store.names("records/"):
        statement = json.loads(b64decode(json.loads((store.path / name).read_bytes())["payload"]))
        assert statement["predicateType"] == record["$id"]
        jsonschema.validate(statement["predicate"], record)
        for field in statement["predicate"]:
            smaller = {key: value for key, value in statement["predicate"].items() if key != field}
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(smaller, record)
