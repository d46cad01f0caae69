"""Untrusted text, made safe to look at: what cannot be seen becomes an escape that can.

Azure resource names, tags and subscription names are written by whoever may create resources. A right-to-left mark
can reverse what a reviewer reads, an escape sequence can rewrite a terminal, a zero-width space makes two names look
like one. None of them may reach a reader unseen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

# Printable by category, but drawn as nothing (Unicode's Default_Ignorable_Code_Point) or as a blank (braille U+2800).
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def hidden(text: str) -> bool:
    """Say whether ``text`` holds a character that a reader cannot see: control, format, surrogate or blank."""
    return not text.isprintable() or _BLANK.search(text) is not None


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    r"""Yield ``text`` in stretches, each with True if it is an escape such as ``\x1b`` or ``\u202e``."""
    if not hidden(text):
        yield text, False
        return
    for unseen, characters in groupby(text, key=hidden):
        stretch = "".join(characters)
        yield (stretch.encode("unicode_escape").decode("ascii") if unseen else stretch), unseen


def visible(text: str) -> str:
    """Return ``text`` with every character that cannot be seen written as an escape."""
    return "".join(piece for piece, _ in pieces(text))


def prose(text: str) -> str:
    """Return text written over several lines of a policy file as one paragraph; all else that is unseen stays."""
    return re.sub(r"[ \t\n]+", " ", text).strip()
