"""Answers of Azure Resource Manager as rows of ``armresources``. Pure.

A row for each item, and for each parent one row of type ``lockdown/reads`` that tells what came of reading: it is what
tells "there is none" from "it could not be read".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from lockdown.cloud.arm_plan import Parent
from lockdown.model import ArmRead
from lockdown.snapshot.tables import COLUMNS, READS

OK = 200
LONGEST_MESSAGE = 1_000
Row = dict[str, Any]


class OddAnswerError(Exception):
    """An answer with status 200 is not of the form that it should have; the message says how."""


@dataclass(frozen=True)
class Outcome:
    """What came of one read.

    Attributes:
        status: HTTP status; 0 if there was no answer, or none that could be understood.
        code: Azure's error code, or one of lockdown's: NoAnswer, OddAnswer, NotAsked,
            LinkElsewhere, IdTwice.
        items: the items by lower-case id, empty unless the status is 200.
        body: the bytes that they came in.
    """

    status: int
    code: str = ""
    message: str = ""
    items: Mapping[str, Row] | None = None
    body: bytes = b""


def page(spec: ArmRead, content: bytes) -> tuple[list[Row], str]:
    """Return the items of one answer, and the link to the next page or ''.

    Raises:
        OddAnswerError: it is not what Azure Resource Manager answers.
    """
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise OddAnswerError(f"The answer is not JSON: {error}.") from error
    link: Any = ""
    items: Any = [found]
    if spec.listed:
        # A provider of security contacts has answered with the bare array.
        items, link = (found, "") if isinstance(found, list) else _listed(found)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise OddAnswerError("The answer is not a list of resources." if spec.listed else "The answer is no resource.")
    if not isinstance(link, str | None):
        raise OddAnswerError("The link to the next page is not a text.")
    return items, link or ""


def _listed(found: object) -> tuple[object, object]:
    return (found.get("value"), found.get("nextLink")) if isinstance(found, dict) else (None, None)


def item(spec: ArmRead, found: Row) -> tuple[str, Row]:
    """Return what tells an item from the others of its read, and its row without the columns of its parent.

    Raises:
        OddAnswerError: it has no id, or properties that are none.
    """
    row: Row = {"type": spec.type, "apiVersion": spec.api_version}
    if spec.whole:
        name = found.get(spec.key) if spec.key else "default"
        if not isinstance(name, str) or not name:
            raise OddAnswerError(f"An item has no {spec.key}.")
        return name.lower(), {**row, "name": name, "properties": _selected(spec, found)}
    resource = found.get("id")
    if not isinstance(resource, str) or not resource.strip("/"):
        raise OddAnswerError("An item has no id.")
    if not isinstance(found.get("properties"), dict | None):
        raise OddAnswerError("The properties of an item are not an object.")
    kept = {name: found[name] for name in COLUMNS if found.get(name) is not None}
    resource = f"/{resource.lstrip('/')}"
    name = str(found.get("name") or resource.rsplit("/", 1)[-1])
    return resource.lower(), {**kept, **row, "id": resource, "name": name}


def rows(spec: ArmRead, parent: Parent, outcome: Outcome) -> list[Row]:
    """Return the rows of the items of one parent, ordered by id."""
    below = f"{parent.id}/providers/{spec.type}"
    items = [
        {**row, **_own(parent), "id": row.get("id") or f"{below}/{row['name']}"}
        for row in (outcome.items or {}).values()
    ]
    return sorted(items, key=lambda row: str(row["id"]).lower())


def read_row(spec: ArmRead, parent: Parent, target: str, outcome: Outcome) -> Row:
    """Return the row that tells what came of reading the items of one parent."""
    return {
        "id": f"{parent.id}/providers/{READS}/{spec.type}",
        "name": spec.type,
        "type": READS,
        **_own(parent),
        "properties": {
            "status": outcome.status,
            "count": len(outcome.items or {}),
            "apiVersion": spec.api_version,
            "code": outcome.code,
            "message": outcome.message,
            "path": target,
        },
    }


def refusal(status: int, content: bytes) -> Outcome:
    """Return what an answer with another status than 200 says."""
    try:
        found = orjson.loads(content)
        error = found["error"] if isinstance(found.get("error"), dict) else found
        code, message = str(error["code"]), str(error.get("message") or "")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        code, message = "", ""
    message = message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}…"
    return Outcome(status, code[:LONGEST_MESSAGE], message)


def _own(parent: Parent) -> Row:
    return {
        "managedBy": parent.id.lower(),
        "subscriptionId": parent.subscription.lower(),
        "resourceGroup": parent.group,
    }


def _selected(spec: ArmRead, found: Row) -> Row:
    """Return what was asked for, also where the answer holds more: what was left out may be personal data."""
    chosen = spec.query.get("$select", "")
    return {name: found[name] for name in chosen.split(",") if name in found} if chosen else found
