"""The formats that a record is exported to: their names, their files in a run, and how each is written and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from lockdown.errors import TamperedError
from lockdown.record import Record
from lockdown.report import csv_, export, junit, ocsf, oscal_component, oscal_poam, oscal_results, sarif
from lockdown.report.export import Export


def _always(_export: Export) -> str:
    return ""


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        file: its name beside results.json.
        render: yields the text of the file.
        counts: results by status in such a file, counted again; a key for each status that the format holds.
        absent: why there can be no such file of a run; nothing if there can.
    """

    file: str
    render: Callable[[Export], Iterator[str]]
    counts: Callable[[Path], Mapping[str, int]]
    absent: Callable[[Export], str] = _always


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "csv": Format("results.csv", csv_.render, csv_.counts),
        "sarif": Format("results.sarif", sarif.render, sarif.counts),
        "junit": Format("junit.xml", junit.render, junit.counts),
        "ocsf": Format("ocsf.jsonl", ocsf.render, ocsf.counts),
        "oscal-ar": Format(
            "oscal-assessment-results.json", oscal_results.render, oscal_results.counts, oscal_results.absent
        ),
        "oscal-poam": Format("oscal-poam.json", oscal_poam.render, oscal_poam.counts, oscal_poam.absent),
        "oscal-component": Format(
            "oscal-component-definition.json", oscal_component.render, oscal_component.counts, oscal_component.absent
        ),
    }
)


def chunks(found: Export, name: str) -> Iterator[bytes]:
    """Yield the bytes of a record in one format. They depend on the record alone."""
    return (text.encode() for text in FORMATS[name].render(found))


def write(record: Record, folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Write a record in some formats into ``folder`` and return which cannot be, and why.

    Raises:
        TamperedError: the record is not as lockdown writes it, or contradicts itself.
    """
    left_out: dict[str, str] = {}
    wanted = dict.fromkeys(names)
    if not wanted:
        return left_out
    found = export.read(record)
    for name in wanted:
        if why := FORMATS[name].absent(found):
            left_out[name] = why
            continue
        with (folder / FORMATS[name].file).open("wb") as file:
            file.writelines(chunks(found, name))
    return left_out


def recount(folder: Path, counts: Mapping[str, int]) -> dict[str, int]:
    """Count again every file of a format in ``folder``, and return the number of results in each that is there.

    Args:
        folder: where results.json lies.
        counts: those of the run.

    Raises:
        TamperedError: a file is not as lockdown writes it, or holds other counts than the run.
    """
    found = {}
    for how in FORMATS.values():
        path = folder / how.file
        if not path.is_file():
            continue
        counted = how.counts(path)
        for status, number in counted.items():
            if number != counts.get(status):
                raise TamperedError(
                    f"{how.file} has {number} results that are {status}; the record states {counts.get(status)}."
                )
        found[how.file] = sum(counted.values())
    return found
