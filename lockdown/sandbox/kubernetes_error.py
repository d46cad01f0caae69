"""What the API of a cluster refuses, in kubectl's words."""

from typing import Any

Object = dict[str, Any]
"""An object of Kubernetes."""


class KubernetesError(Exception):
    """A refusal. ``{file}`` in it stands for the file that the object came from.

    Attributes:
        before: lines that kubectl printed before it.
    """

    def __init__(self, message: str, before: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.before = before
