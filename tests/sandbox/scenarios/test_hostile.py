"""The hostile scenario holds what attacks whoever shows it."""

import json

import pytest

from lockdown.sandbox.scenarios import build
from lockdown.sandbox.scenarios.hostile import TEXTS

TENANT = "7a1f2c52-43a6-4f0e-9c53-9d6f0b0a7d41"


@pytest.mark.parametrize("text", [text for text in TEXTS.values() if text])
def test_each_text_stands_in_a_tag_and_in_a_property(text: str) -> None:
    scenario = build("hostile", tenant=TENANT, options={})

    assert any(text in document["tags"].values() for document in scenario.documents)
    assert any(
        text in json.dumps(item["properties"], ensure_ascii=False)
        or text == item["properties"].get("customDomain", {}).get("name")
        for item in scenario.documents
    )


@pytest.mark.parametrize("piece", ["<b>", '"', "'", "\n", "\u202e", "\x1b", "..", "$(", "%00", "名"])
def test_names_and_ids_are_hostile_too(piece: str) -> None:
    scenario = build("hostile", tenant=TENANT, options={})

    assert any(piece in document["name"] and piece in document["id"] for document in scenario.documents)


def test_the_subscription_has_a_hostile_name() -> None:
    ((_, name),) = build("hostile", tenant=TENANT, options={}).subscriptions

    assert "<img" in name
