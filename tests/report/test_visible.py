from hypothesis import given
from hypothesis import strategies as st

from lockdown.report.visible import hidden, prose, visible


def test_what_cannot_be_seen_is_written_as_an_escape() -> None:
    assert visible("log\u202egpj.exe") == "log\\u202egpj.exe"
    assert visible("\x1b[2J") == "\\x1b[2J"
    assert visible("a\u200bb\u00adc\ufeff") == "a\\u200bb\\xadc\\ufeff"
    assert visible("one\ntwo\ttab") == "one\\ntwo\\ttab"
    assert visible("\ud800") == "\\ud800"


def test_blanks_that_unicode_calls_printable_are_escaped_too() -> None:
    assert visible("a\u3164b\u2800c\ufe0f\U000e0100") == "a\\u3164b\\u2800c\\ufe0f\\U000e0100"
    assert visible("no\u00a0break") == "no\\xa0break"


def test_letters_of_every_script_stay_as_they_are() -> None:
    for name in ("coastore7f3a", "检查", "بيانات", "Größe ﬁ", "a b'c\"d<e>"):
        assert visible(name) == name


@given(st.text(st.characters()))
def test_nothing_unseen_is_left(text: str) -> None:
    assert not hidden(visible(text))


def test_prose_joins_the_lines_of_a_policy_file_and_nothing_else() -> None:
    assert prose("  one\n  two\n") == "one two"
    assert prose("one\x0btwo") == "one\x0btwo"
