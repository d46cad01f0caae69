"""A translation is made once, and taken only from where nobody else can write."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockdown.snapshot.engine import Engine
from lockdown.snapshot.translations import Translations

QUERY = "resources | where type =~ 'a.b/c' | project id, when = now()"


def translated(folder: Path | None, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    made: list[str] = []
    original = Engine._translate

    def counted(self: Engine, query: str, words: object) -> object:
        made.append(query)
        return original(self, query, words)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, Engine(translations=Translations(folder)) as engine:
        patch.setattr(Engine, "_translate", counted)
        engine.load_rows("resources", ())
        return engine.translate(QUERY).sql, len(made)


def test_a_later_run_takes_what_an_earlier_one_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cache"
    first, made = translated(folder, monkeypatch)
    assert made == 1
    assert translated(folder, monkeypatch) == (first, 0)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_without_a_folder_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert translated(None, monkeypatch)[1] == 1
    assert translated(None, monkeypatch)[1] == 1


def test_a_folder_that_others_can_write_to_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o777)
    assert translated(tmp_path, monkeypatch)[1] == 1
    assert not list(tmp_path.iterdir())


def test_a_damaged_entry_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cache"
    first, _ = translated(folder, monkeypatch)
    for entry in folder.iterdir():
        entry.write_text('{"sql": "SELECT', "utf-8")
    assert translated(folder, monkeypatch) == (first, 1)


def test_another_query_and_other_tables_are_other_entries(tmp_path: Path) -> None:
    kept = Translations(tmp_path / "cache")
    with Engine(translations=kept) as engine:
        engine.load_rows("resources", ())
        one = engine.translate(QUERY)
        assert engine.translate(QUERY.replace("a.b/c", "d.e/f")).sql != one.sql
    assert len(list((tmp_path / "cache").iterdir())) == 2
