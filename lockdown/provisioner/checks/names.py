"""Names that must be unique in all of Azure: whether they are free, or free again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lockdown.provisioner.answers import RefusedError
from lockdown.provisioner.checks import Case, Finding, name_of
from lockdown.provisioner.graph import Body, Resource

_ELSEWHERE = "Choose another prefix, or another name for the environment."


@dataclass(frozen=True)
class _Question:
    type: str
    path: str


_QUESTIONS = (
    _Question("Microsoft.Storage/storageAccounts", "Microsoft.Storage/checkNameAvailability"),
    _Question("Microsoft.ContainerRegistry/registries", "Microsoft.ContainerRegistry/checkNameAvailability"),
    _Question("Microsoft.KeyVault/vaults", "Microsoft.KeyVault/checkNameAvailability"),
    _Question("Microsoft.DBforPostgreSQL/flexibleServers", "Microsoft.DBforPostgreSQL/checkNameAvailability"),
    _Question("Microsoft.Batch/batchAccounts", "Microsoft.Batch/locations/{location}/checkNameAvailability"),
)


def names(case: Case) -> Iterator[Finding]:
    """Yield a finding for each name that another resource of Azure has, or that Azure refuses."""
    for question in _QUESTIONS:
        for step in case.new(question.type):
            try:
                yield from _name(case, question, step)
            except RefusedError as error:
                yield Finding("names", f"not checked: whether {name_of(step.id)} is free: {error}", stops=False)


def _name(case: Case, question: _Question, step: Resource) -> Iterator[Finding]:
    deleted = _deleted(case, step) if question.type == "Microsoft.KeyVault/vaults" else None
    if deleted is not None:
        yield from _held(deleted, step)
        return
    path = f"{case.subscription}/providers/{question.path.format(location=case.site.location)}"
    answer = case.reads.post(path, step.api_version, {"name": name_of(step.id), "type": question.type})
    if answer.get("nameAvailable") is not True:
        said = answer.get("message") or answer.get("reason") or "no reason was given"
        yield Finding("names", f"{step.key}: Azure does not give the name {name_of(step.id)}: {said}", _ELSEWHERE)


def _deleted(case: Case, step: Resource) -> Body | None:
    """Return the deleted vault that holds a name, or None."""
    vaults = f"{case.subscription}/providers/Microsoft.KeyVault/locations/{case.site.location}/deletedVaults"
    return case.read(f"{vaults}/{name_of(step.id)}", step.api_version)


def _held(deleted: Body, step: Resource) -> Iterator[Finding]:
    """Yield a finding if the deleted vault is not the one that is to be recovered."""
    properties = deleted.get("properties") or {}
    was = str(properties.get("vaultId") or "")
    if was.lower() != step.id.lower():
        yield Finding(
            "names",
            f"{step.key}: a deleted vault, {was or 'of an unknown id'}, holds the name {name_of(step.id)}"
            f"{_until(properties.get('scheduledPurgeDate'))}.",
            f"{_ELSEWHERE} With purge protection nobody can free the name before.",
        )


def _until(moment: object) -> str:
    return f" until {moment}" if isinstance(moment, str) and moment else ""
