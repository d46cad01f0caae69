"""The shape of what evidence states: strict and frozen in here, lowerCamelCase in the files."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel


class Open(BaseModel):
    """A claim. A field that a later version adds does not spoil what this version knows how to check."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        field_title_generator=lambda name, _: to_camel(name),
    )


class Closed(Open):
    """What says whom to believe: a field that is not known could take back what the others say."""

    model_config = ConfigDict(extra="forbid")


def told(error: ValidationError) -> str:
    """Return the first thing that is wrong, with the field that it is wrong in."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'it'}: {first['msg']}"
