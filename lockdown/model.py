"""The words of the design as frozen values. No I/O, nothing mutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


class Verdict(StrEnum):
    """What one policy says of one resource.

    ``notObserved`` belongs to a policy that saw no resource; results never carry it.
    """

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    NOT_APPLICABLE = "notApplicable"
    UNKNOWN = "unknown"
    MANUAL = "manual"
    NOT_OBSERVED = "notObserved"


class Severity(StrEnum):
    """How much a failure of a policy matters."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 for the worst; sorts failures worst first."""
        return list(Severity).index(self)


class Outcome(StrEnum):
    """What a whole run says."""

    COMPLIANT = "compliant"
    NON_COMPLIANT = "nonCompliant"
    INDETERMINATE = "indeterminate"


class Source(StrEnum):
    """Where a snapshot came from; signed, and checked against the trust root."""

    LIVE = "live"
    FILE = "file"
    SANDBOX = "sandbox"


@dataclass(frozen=True)
class Cloud:
    """The endpoints of one Azure cloud.

    Attributes:
        name: AzureCloud, AzureUSGovernment, AzureChinaCloud, or the host of a discovered one.
        resource_manager: base URL of Azure Resource Manager, without a trailing slash.
        authority: host (and port) that issues tokens, without scheme.
        audience: token audience; the scope is this plus ``/.default``.
        discovered: True for a cloud that came from ``/metadata/endpoints``.
    """

    name: str
    resource_manager: str
    authority: str
    audience: str
    discovered: bool = False


@dataclass(frozen=True)
class Scope:
    """What was asked for. Nothing named means every subscription that the caller can read."""

    subscriptions: tuple[str, ...] = ()
    management_groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unread:
    """Something in scope that could not be read.

    Attributes:
        what: ``subscription``, ``managementGroup``, ``table`` or ``armReads``.
        name: the subscription id, management group id or table name; for ``armReads`` the type of the items.
        reason: a sentence for a person.
    """

    what: str
    name: str
    reason: str


@dataclass(frozen=True)
class Boundary:
    """What belongs to the environment. Ids are lower-case.

    Attributes:
        subscriptions: subscription ids; the scope's own when the configuration names none.
        virtual_networks: resource ids of virtual networks; empty means every one in ``subscriptions``.
        egress_addresses: CIDR ranges of public addresses that traffic may leave through.
    """

    subscriptions: tuple[str, ...] = ()
    virtual_networks: tuple[str, ...] = ()
    egress_addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Waiver:
    """An accepted failure. It never makes a pass; expired, the failure counts again.

    Attributes:
        policy: the policy id it is for.
        resources: resource ids, lower-case; a trailing ``*`` matches any suffix.
        expires: the last day on which it holds, in UTC.
    """

    policy: str
    resources: tuple[str, ...]
    reason: str
    owner: str
    expires: date


@dataclass(frozen=True)
class TemporaryAccess:
    """Something that is announced to be open for a time: a port, a jumpbox, public access for maintenance.

    Attributes:
        resource: its id, lower-case.
        policy: the id of the policy that fails on the resource while it is open; None: it is open while the resource
            exists.
        begins: when it may be open at the earliest.
        ends: when it must be closed.
    """

    resource: str
    policy: str | None
    begins: datetime
    ends: datetime
    reason: str
    owner: str


@dataclass(frozen=True)
class BuiltIn:
    """An Azure Policy built-in that checks the same, and where this policy differs from it."""

    guid: str
    name: str
    differs: str = ""


@dataclass(frozen=True)
class Control:
    """One requirement that a policy speaks to, and who says so.

    Attributes:
        framework: a framework id such as ``nist-800-53-r5``.
        id: as the framework writes it, such as ``SC-7(5)``.
        basis: ``microsoft`` (Microsoft's own mapping of the built-in), ``microsoft_r5_1_1`` (its newer mapping to NIST
            SP 800-53 Rev. 5.1.1 alone) or ``project`` (our claim).
    """

    framework: str
    id: str
    basis: str


@dataclass(frozen=True)
class Policy:
    """One thing that must hold: a KQL query and what a person must know about it.

    Attributes:
        id: unique, ``[a-z0-9-]+``; equals the folder's name.
        theme: the folder above it.
        applies_to: the ARM types it judges, lower-case.
        reads: table name to the lower-case ARM types that the query needs of it; empty tuple means all rows.
        controls: the requirements it speaks to.
        command: an az command with ``{resource}``, ``{name}``, ``{resourceGroup}`` and ``{subscription}`` placeholders.
        query: KQL with ``boundary.<name>`` tokens, as written in query.kql.
        reachability: whether what fails it can be reached from outside.
        files: the exact bytes of the folder by file name, as they are digested, shipped and signed.
    """

    id: str
    theme: str
    title: str
    severity: Severity
    applies_to: tuple[str, ...]
    reads: Mapping[str, tuple[str, ...]]
    controls: tuple[Control, ...]
    rationale: str
    remediation: str
    command: str
    query: str
    built_ins: tuple[BuiltIn, ...] = ()
    absent_passes: Mapping[str, str] = field(default_factory=dict)
    reachability: bool = False
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Child:
    """A child of a resource that is read instead of the resource itself.

    Attributes:
        path: what follows the id of the resource, such as ``blobServices/default``.
        needs: as in :class:`ArmRead`.
    """

    path: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class ArmRead:
    """How items that Resource Graph lacks are read from Azure Resource Manager: one request for each parent.

    Attributes:
        type: the type of the items, lower-case.
        parents: the lower-case types of the resources that it is read of; empty stands for the ``applies_to`` of each
            policy that asks for it.
        path: the path to read, with ``{parent}``, ``{subscription}`` and ``{location}`` of the parent.
        api_version: the version to read with.
        listed: True for a list of items in pages, False for one item.
        whole: the whole answer of an item stands under ``properties``, because it has no ``properties`` of its own.
        key: where an item has no id of its own, the member of a listed item that tells it from the others.
        query: further parameters of the request by name, with ``{since}`` and ``{until}``.
        needs: a property path of the parent: without its last step, while the step before is there, the parent cannot
            have such items and is not asked.
        children: lower-case parent type to the children that are read instead of it.
    """

    type: str
    parents: tuple[str, ...]
    path: str
    api_version: str
    listed: bool = True
    whole: bool = False
    key: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    children: Mapping[str, tuple[Child, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """A verdict of one policy on one resource. Its key is (policy, resource, part)."""

    policy: str
    resource: str
    part: str
    verdict: Verdict
    severity: Severity
    reason: str
    expected: str
    observed: str
