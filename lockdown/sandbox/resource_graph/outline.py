"""The shape of a query: its pipelines, their sources and their operators, read from its tokens.

Enough to hold a query to limits; whether it is KQL at all is for the engine to say.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lockdown.snapshot.kql import Token, significant

_OPEN, _CLOSE = "([{", ")]}"


@dataclass(frozen=True)
class Stage:
    """One operator of a pipeline.

    Attributes:
        operator: the operator's word as written, or '' when there is none.
        tokens: everything from the operator to the next pipe, brackets and their content included.
    """

    operator: str
    tokens: tuple[Token, ...]

    @property
    def flat(self) -> tuple[Token, ...]:
        """The tokens that stand outside brackets."""
        return tuple(_flat(self.tokens))

    @property
    def end(self) -> int:
        """The offset in the query where the stage ends."""
        last = self.tokens[-1]
        return last.start + len(last.text)

    def option(self, name: str) -> str:
        """Return the value written as ``name = value`` (hint names with a dot included), or ''."""
        flat = self.flat
        for at in range(1, len(flat) - 2):
            if flat[at].text == name and flat[at + 1].text == "=":
                return flat[at + 2].text
        return ""


@dataclass(frozen=True)
class Pipeline:
    """A source and the operators that its rows go through.

    Attributes:
        source: the name of the table it begins with; '' when it begins with brackets or an operator.
        stages: the operators in order; a ``union`` at the beginning is the first.
        legs: for every table or pipeline that a join or union brings in: the stage's operator and the table's name.
        inner: the pipelines inside brackets, wherever they stand.
    """

    source: str
    stages: tuple[Stage, ...]
    legs: tuple[tuple[str, str], ...]
    inner: tuple["Pipeline", ...]

    def walk(self) -> Iterator["Pipeline"]:
        """Yield this pipeline and those inside it."""
        yield self
        for pipeline in self.inner:
            yield from pipeline.walk()


def outline(query: str) -> Pipeline:
    """Return the shape of ``query``."""
    return _pipeline(significant(query))


def splits(tokens: Sequence[Token], sign: str) -> list[tuple[Token, ...]]:
    """Split at every ``sign`` outside brackets."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += _step(token)
        if depth == 0 and token.kind == "sign" and token.text == sign:
            parts.append([])
        else:
            parts[-1].append(token)
    return [tuple(part) for part in parts]


def _pipeline(tokens: Sequence[Token]) -> Pipeline:
    first, *rest = splits(tokens, "|")
    head = first[0] if first else None
    source, stages = "", [Stage(part[0].text if part else "", part) for part in rest]
    if head is not None and head.kind == "word" and len(first) == 1:
        source = head.text
    elif head is not None and head.text != "(":
        stages.insert(0, Stage(head.text, first))
    inner: list[Pipeline] = []
    legs: list[tuple[str, str]] = []
    for stage in stages:
        brings = stage.operator in {"join", "union", "lookup"}
        found = [_pipeline(group) for group in _groups(stage, brings=brings)]
        inner.extend(found)
        if brings:
            names = [*_named(stage), *(_origin(pipeline) for pipeline in found)]
            legs.extend((stage.operator, name) for name in names)
    if head is not None and head.text == "(":
        inner.extend(_pipeline(group) for group in _bracketed(first))
    return Pipeline(source, tuple(stages), tuple(legs), tuple(inner))


def _origin(pipeline: Pipeline) -> str:
    if pipeline.source or not pipeline.inner:
        return pipeline.source
    return _origin(pipeline.inner[0])


def _groups(stage: Stage, *, brings: bool) -> Iterator[tuple[Token, ...]]:
    groups = list(_bracketed(stage.tokens))
    if brings:
        tables = groups[:1] if stage.operator != "union" else groups
        yield from tables
        groups = [] if stage.operator == "union" else groups[1:]
    yield from (group for group in groups if len(splits(group, "|")) > 1)


def _named(stage: Stage) -> list[str]:
    """Return the tables that a join or union names outside brackets."""
    flat = stage.flat
    at = 1
    while at + 2 < len(flat) and flat[at + 1].text in {"=", "."}:
        at += 4 if flat[at + 1].text == "." else 2
        at += 1
    rest = flat[at:]
    if stage.operator == "union":
        return [part[0].text for part in splits(rest, ",") if part and part[0].kind == "word"]
    word = rest[0] if rest else None
    return [word.text] if word is not None and word.kind == "word" and word.text != "on" else []


def _bracketed(tokens: Sequence[Token]) -> Iterator[tuple[Token, ...]]:
    """Yield what stands inside each outermost pair of round brackets."""
    depth, start = 0, 0
    for index, token in enumerate(tokens):
        step = _step(token)
        if step > 0 and depth == 0:
            start = index
        depth += step
        if step < 0 and depth == 0 and tokens[start].text == "(":
            yield tuple(tokens[start + 1 : index])


def _flat(tokens: Sequence[Token]) -> Iterator[Token]:
    depth = 0
    for token in tokens:
        step = _step(token)
        if depth == 0 and step == 0:
            yield token
        depth += step


def _step(token: Token) -> int:
    if token.kind != "sign":
        return 0
    return 1 if token.text in _OPEN else -1 if token.text in _CLOSE else 0
