"""What run-command runs here: kubectl alone, as far as lockdown and a person who looks need it; nothing is executed.

The words, flags and sentences are kubectl's; a flag that is not known is refused, as kubectl refuses it.
"""

import base64
import binascii
import io
import json
import shlex
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lockdown.sandbox.cluster_api import Cluster, KubernetesError, Object, plural
from lockdown.sandbox.columns import table

_FLAGS = {
    "-n": "--namespace", "-o": "--output", "-l": "--selector", "-f": "--filename", "-A": "--all-namespaces",
}  # fmt: skip
_BARE = frozenset({"--server-side", "--force-conflicts", "--ignore-not-found", "--all-containers", "--all-namespaces"})
_VALUED = frozenset(
    {
        *("--namespace", "--output", "--selector", "--filename", "--field-manager", "--field-selector", "--tail"),
        *("--sort-by", "--wait", "--timeout"),
    }
)
MOST_LOGS = 512 * 1024
"""Bytes of what a command prints that run-command keeps."""


@dataclass(frozen=True)
class Command:
    """A command of kubectl, taken apart."""

    verb: str
    names: tuple[str, ...]
    flags: Mapping[str, str]
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        """The namespace that is meant; '' for all."""
        return "" if "--all-namespaces" in self.flags else self.flags.get("--namespace", "default")


def run(cluster: Cluster, text: str, context: str) -> tuple[int, str]:
    """Run a command with its files; return its exit code and what it prints."""
    try:
        words = shlex.split(text)
    except ValueError:
        return 2, f"sh: 1: Syntax error: {text}\n"
    if not words:
        return 0, ""
    if words[0] != "kubectl":
        return 127, f"sh: 1: {words[0]}: not found\n"
    try:
        command = parse(words[1:], files(context))
        cluster.settle()
        printed = _VERBS.get(command.verb, _unknown)(cluster, command)
    except KubernetesError as error:
        return 1, "".join(f"{line}\n" for line in (*error.before, str(error)))
    return 0, printed[:MOST_LOGS]


def parse(words: list[str], found: Mapping[str, bytes]) -> Command:
    """Take a command apart.

    Raises:
        KubernetesError: kubectl does not know a flag.
    """
    names: list[str] = []
    flags: dict[str, str] = {}
    left = iter(words)
    for word in left:
        name, equals, value = word.partition("=")
        name = _FLAGS.get(name, name)
        if not word.startswith("-"):
            names.append(word)
        elif name in _BARE and not equals:
            flags[name] = "true"
        elif name in _VALUED:
            flags[name] = value if equals else next(left, "")
        else:
            raise KubernetesError(f"error: unknown flag: {name}")
    return Command(names[0] if names else "", tuple(names[1:]), flags, found)


def files(context: str) -> dict[str, bytes]:
    """Return the files of a context.

    Raises:
        KubernetesError: it is no archive.
    """
    if not context:
        return {}
    try:
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(context, validate=True))) as archive:
            return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    except (binascii.Error, zipfile.BadZipFile) as error:
        raise KubernetesError("error: the context is no zip archive in base64") from error


def _unknown(cluster: Cluster, command: Command) -> str:
    del cluster
    raise KubernetesError(f'error: unknown command "{command.verb}" for "kubectl"')


def _apply(cluster: Cluster, command: Command) -> str:
    wanted = command.flags.get("--filename", "")
    if not wanted:
        raise KubernetesError("error: must specify one of -f and -k")
    chosen = sorted(name for name in command.files if wanted in (".", name) or name.startswith(f"{wanted}/"))
    if not chosen:
        raise KubernetesError(f"error: the path {json.dumps(wanted)} does not exist")
    done: list[str] = []
    refused: list[str] = []
    for name in chosen:
        try:
            for each in _objects(name, command.files[name]):
                cluster.apply(each)
                done.append(f"{_typed(each)}/{each['metadata']['name']} serverside-applied")
        except KubernetesError as error:
            refused.append(str(error).replace("{file}", name))
    if refused:
        raise KubernetesError("\n".join(refused), before=tuple(done))
    return "".join(f"{line}\n" for line in done)


def _objects(name: str, data: bytes) -> Iterator[Object]:
    try:
        found = json.loads(data)
    except ValueError as error:
        raise KubernetesError(f"error: error parsing {name}: {error}") from error
    for each in found if isinstance(found, list) else [found]:
        if not isinstance(each, dict) or not each.get("kind") or not (each.get("metadata") or {}).get("name"):
            raise KubernetesError(f"error: error validating {json.dumps(name)}: kind or name not set")
        yield each


def _typed(each: Object) -> str:
    group = str(each["apiVersion"]).rpartition("/")[0]
    return str(each["kind"]).lower() + (f".{group}" if group else "")


def _get(cluster: Cluster, command: Command) -> str:
    found = list(_selected(cluster, command))
    if command.flags.get("--output") == "json":
        document = {"apiVersion": "v1", "items": found, "kind": "List", "metadata": {"resourceVersion": ""}}
        return json.dumps(document, indent=4) + "\n"
    kind, _, columns = command.flags.get("--output", "").partition("=")
    if kind == "custom-columns":
        return table(columns, found)
    if not found:
        return f"No resources found in {command.namespace} namespace.\n"
    if {each["kind"] for each in found} == {"Event"}:
        lines = [
            f"{each['type']}   {each['reason']}   {each['involvedObject']['kind'].lower()}/"
            f"{each['involvedObject']['name']}   {each['message']}"
            for each in found
        ]
        return "TYPE      REASON   OBJECT   MESSAGE\n" + "".join(f"{line}\n" for line in lines)
    return "NAME\n" + "".join(f"{plural(each['kind'])}/{each['metadata']['name']}\n" for each in found)


def _delete(cluster: Cluster, command: Command) -> str:
    gone = [each for each in _selected(cluster, command) if each["kind"] not in ("Pod", "Event", "Node")]
    if len(command.names) > 1 and not gone and "--ignore-not-found" not in command.flags:
        raise KubernetesError(f'Error from server (NotFound): {command.names[0]} "{command.names[1]}" not found')
    for each in gone:
        cluster.remove(each)
    return "".join(f'{_typed(each)} "{each["metadata"]["name"]}" deleted\n' for each in gone)


def _logs(cluster: Cluster, command: Command) -> str:
    for name in command.names[:1]:
        for pod in cluster.objects(("pods",), command.namespace):
            if pod["metadata"]["name"] == name:
                return cluster.logs(name)
        raise KubernetesError(f'error: error from server (NotFound): pods "{name}" not found in namespace')
    raise KubernetesError("error: expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.")


def _selected(cluster: Cluster, command: Command) -> Iterator[Object]:
    if not command.names:
        raise KubernetesError("error: You must specify the type of resource to get.")
    kinds, names = command.names[0].split(","), command.names[1:]
    keep = [*map(_requirement, _split(command.flags.get("--selector", "")))]
    fields = [*_split(command.flags.get("--field-selector", ""))]
    for each in cluster.objects(kinds, command.namespace):
        labels = each["metadata"].get("labels") or {}
        if names and each["metadata"]["name"] not in names:
            continue
        if all(one(labels) for one in keep) and all(_is_field(each, one) for one in fields):
            yield each


def _split(text: str) -> Iterable[str]:
    return (part for part in text.split(",") if part)


def _requirement(text: str) -> Callable[[Mapping[str, str]], bool]:
    name, different, value = text.partition("!=")
    if different:
        return lambda labels: labels.get(name) != value
    name, equal, value = text.partition("=")
    if equal:
        return lambda labels: labels.get(name) == value
    return lambda labels: name in labels


def _is_field(each: Object, text: str) -> bool:
    path, _, value = text.partition("=")
    found: Any = each
    for step in path.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    if path == "status.successful":
        found = (each.get("status") or {}).get("succeeded") or 0
    return str(found) == value


_VERBS: Mapping[str, Callable[[Cluster, Command], str]] = {
    "apply": _apply,
    "get": _get,
    "delete": _delete,
    "logs": _logs,
}
