"""Mistakes of syntax: each is named at its place, with what to write instead, and mended where that is plain."""

import pytest

from ftspec.core.finding import Finding, Fix
from ftspec.syntax.parser import parse, parse_partial
from tests.syntax.shape import shape, tree_of


def only(text: str) -> Finding:
    """The one finding of a text."""
    _, findings = parse_partial(text)
    assert len(findings) == 1, findings
    return findings[0]


def fixed(text: str, fix: Fix) -> str:
    """A text of one line with a fix applied."""
    for edit in sorted(fix.edits, reverse=True):
        assert edit.span.line == edit.span.end_line == 1
        text = text[: edit.span.column - 1] + edit.text + text[edit.span.end_column - 1 :]
    return text


PLAIN = {
    "ft 1 nodes: 8": ("FT020", 11, 12, "nodes = 8"),
    'ft 1 a { "k" : "v" }': ("FT020", 14, 15, 'a { "k" = "v" }'),
    "ft 1 hardware: { nodes = 8 }": ("FT020", 14, 15, "hardware { nodes = 8 }"),
    "ft 1 a := 1": ("FT020", 8, 10, "a = 1"),
    "ft 1 a = 1, b = 2": ("FT020", 11, 12, "a = 1 b = 2"),
    "ft 1 a { b = [1, 2], }": ("FT020", 20, 21, "a { b = [1, 2] }"),
    "ft 1 a = 1;": ("FT020", 11, 12, "a = 1"),
    "ft 1 a { b = 1 }, c { }": ("FT020", 17, 18, "a { b = 1 } c { }"),
    "ft 1 a = b && c": ("FT020", 12, 14, "a = b and c"),
    "ft 1 a = b || c": ("FT020", 12, 14, "a = b or c"),
    "ft 1 a = !b": ("FT020", 10, 11, "a = not b"),
    "ft 1 a = 'b'": ("FT021", 10, 13, 'a = "b"'),
    "ft 1 a = “b”": ("FT021", 10, 13, 'a = "b"'),
    "ft 1 a = „b“": ("FT021", 10, 13, 'a = "b"'),
    "ft 1 a = ‘b’": ("FT021", 10, 13, 'a = "b"'),
    "ft 1 a = «b»": ("FT021", 10, 13, 'a = "b"'),
    "ft 1 a = `b`": ("FT021", 10, 13, 'a = "b"'),
    "ft 1 a = '\"'": ("FT021", 10, 13, 'a = "\\""'),
    "ft 1 a = ./b.json": ("FT021", 10, 18, 'a = "./b.json"'),
    "ft 1 a = /b/c": ("FT021", 10, 14, 'a = "/b/c"'),
    "ft 1 a = Qwen/Qwen2.5-0.5B b = 1": ("FT021", 10, 27, 'a = "Qwen/Qwen2.5-0.5B" b = 1'),
    "ft 1 a = True": ("FT022", 10, 14, "a = true"),
    "ft 1 a = FALSE": ("FT022", 10, 15, "a = false"),
    "ft 1 a = 80 GB": ("FT023", 10, 15, "a = 80GB"),
    "ft 1 a = [50 GB/s, 1]": ("FT023", 11, 18, "a = [50GB/s, 1]"),
    "ft 1 a = 400 Gbps b = 1": ("FT023", 10, 18, "a = 400Gbps b = 1"),
    "ft 1 a = 1_000": ("FT018", 10, 15, "a = 1000"),
    "ft 1 a = 4,096 b = 1": ("FT018", 10, 15, "a = 4096 b = 1"),
    "ft 1 a = 1,000,000": ("FT018", 10, 19, "a = 1000000"),
    "ft 1 a = 1F1B": ("FT018", 10, 14, "a = 1f1b"),
    "ft 1 a = .5": ("FT018", 10, 12, "a = 0.5"),
    "ft 1 a = 3 − 1": ("FT017", 12, 13, "a = 3 - 1"),
    "ft 1 a = b ≤ c": ("FT017", 12, 13, "a = b <= c"),
    "ft 1 a\u00a0= 1": ("FT017", 7, 8, "a = 1"),
    "ft 1 a =\u200b 1": ("FT017", 9, 10, "a = 1"),
    "ft 1 a == 1": ("FT010", 8, 10, "a = 1"),
    "ft 1 assert a = 1": ("FT010", 15, 16, "assert a == 1"),
    "ft 1 a { b 8 }": ("FT010", 11, 11, "a { b = 8 }"),
    "ft 1 a bf16 b = 1": ("FT010", 7, 7, "a = bf16 b = 1"),
    "ft 1 a lora { b = 1 }": ("FT010", 7, 7, "a = lora { b = 1 }"),
    "ft 1 a = [1 2, 3]": ("FT010", 12, 12, "a = [1, 2, 3]"),
    "ft 1 a = min(1 2)": ("FT010", 15, 15, "a = min(1, 2)"),
    "ft 1 variant a { }": ("FT010", 14, 15, 'variant "a" { }'),
    'ft 1 target "a" { }': ("FT010", 13, 16, "target a { }"),
    "a = 1": ("FT013", 1, 2, "a = 1"),
    "FT 1 a = 1": ("FT013", 1, 3, "a = 1"),
}


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_meant_is_plain(text: str) -> None:
    code, start, end, meant = PLAIN[text]
    finding = only(text)
    assert (finding.code, *finding.span[:4]) == (code, 1, start, 1, end)
    assert finding.fix
    right = tree_of(f"ft 1 {meant}")
    tree, _ = parse(text)
    assert tree is not None, "a mistake whose meaning is plain costs nothing"
    assert shape(tree).removeprefix("(ft None") == shape(right).removeprefix("(ft 1") or shape(tree) == shape(right)
    repaired = fixed(text, finding.fix).replace("ft 1\n", "ft 1 ")
    assert shape(tree_of(repaired)) == shape(right)


NOT_PLAIN = {
    "ft": ("FT014", (1, 1, 1, 3), "`ft` is not followed by a version"),
    "ft 2 a = 1": ("FT014", (1, 4, 1, 5), "version `2` of the language is not known"),
    "ft 1.0": ("FT014", (1, 4, 1, 7), "version `1.0` of the language is not known"),
    '{"a": 1}': ("FT013", (1, 1, 1, 2), "this text is not a spec"),
    "- a\n- b": ("FT013", (1, 1, 1, 2), "this text is not a spec"),
    "": ("FT004", (1, 1, 1, 1), "there is nothing in this text"),
    "\n# a comment\n": ("FT004", (1, 1, 1, 1), "there is nothing in this text"),
    'ft 1 a = "b': ("FT015", (1, 10, 1, 12), 'this string has no closing `"` on its line'),
    'ft 1 a { b = "c }': ("FT015", (1, 14, 1, 16), 'this string has no closing `"` on its line'),
    'ft 1 a = "b\nc = 1': ("FT015", (1, 10, 1, 12), 'this string has no closing `"` on its line'),
    "ft 1 a = “b": ("FT015", (1, 10, 1, 12), "`“` begins a string that is not closed on its line"),
    'ft 1 a = "b\\q"': ("FT016", (1, 12, 1, 14), "`\\q` is not an escape"),
    'ft 1 a = "\\u12"': ("FT016", (1, 11, 1, 13), "`\\u` is not an escape"),
    'ft 1 a = "\\ud800"': ("FT016", (1, 11, 1, 13), "`\\u` is not an escape"),
    'ft 1 a = "\\u0000"': ("FT016", (1, 11, 1, 13), "`\\u` is not an escape"),
    "ft 1 a = 1 @": ("FT017", (1, 12, 1, 13), "`@` means nothing here"),
    "ft 1 größe = 3": ("FT017", (1, 8, 1, 9), "`ö` cannot stand in a name"),
    "ft 1 a = 5.": ("FT018", (1, 10, 1, 12), "`5.` is not a number"),
    "ft 1 a = 0x10": ("FT018", (1, 10, 1, 14), "`0x10` is not a number"),
    "ft 1 a = 1.2.3": ("FT018", (1, 10, 1, 15), "`1.2.3` is not a number"),
    "ft 1 hardware:\n  nodes: 8": ("FT020", (1, 14, 1, 15), "`:` at the end of a line does not begin a block"),
    "ft 1 a { b = c // 8 }": ("FT020", (1, 16, 1, 18), "`//` is not in the language"),
    "ft 1 a = 1 // one": ("FT020", (1, 12, 1, 14), "a comment begins with `#`, not with `//`"),
    "ft 1 a = 1 /* b": ("FT020", (1, 12, 1, 14), "a comment begins with `#`, not with `/*`"),
    "ft 1 a =": ("FT024", (1, 6, 1, 9), "`a` has no value"),
    "ft 1 a =\nb = 2": ("FT024", (1, 6, 1, 9), "`a` has no value"),
    "ft 1 a { b = }": ("FT024", (1, 10, 1, 13), "`b` has no value"),
    "ft 1 a = let b = 1": ("FT024", (1, 6, 1, 9), "`a` has no value"),
    "ft 1 a\nb = 2": ("FT024", (1, 6, 1, 7), "`a` has no value"),
    "ft 1 a.b = 3": ("FT010", (1, 7, 1, 8), "a key has no dots"),
    "ft 1 a = * 3": ("FT010", (1, 10, 1, 11), "`*` cannot stand here"),
    "ft 1 a = 3 *": ("FT010", (1, 13, 1, 13), "the text ends in the middle of a statement"),
    "ft 1 a = if b then c": ("FT010", (1, 21, 1, 21), "the text ends in the middle of a statement"),
    "ft 1 a = b < c < d": ("FT010", (1, 16, 1, 17), "comparisons do not chain"),
    "ft 1 variant 3 { }": ("FT010", (1, 14, 1, 15), "`3` cannot stand here"),
    "ft 1 a = b = c": ("FT024", (1, 6, 1, 9), "`a` has no value"),
    "ft 1 a = .0.95": ("FT018", (1, 10, 1, 15), "`.0.95` is not a number"),
    "ft 1 = 3": ("FT010", (1, 6, 1, 7), "`=` cannot stand here"),
    "ft 1 a = 1 ft 1": ("FT010", (1, 12, 1, 14), "`ft` cannot stand here"),
    "ft 1 a { ft = 1 }": ("FT010", (1, 10, 1, 12), "`ft` cannot stand here"),
    "ft 1 a { let b = 1 }": ("FT025", (1, 10, 1, 13), "`let` cannot stand in a block"),
    'ft 1 variant "v" { import "a" }': ("FT025", (1, 20, 1, 26), "`import` cannot stand in a block"),
    "ft 1 a { } }": ("FT012", (1, 12, 1, 13), "nothing is open that `}` would close"),
    "ft 1 a = 1 ]": ("FT012", (1, 12, 1, 13), "nothing is open that `]` would close"),
    "ft 1 a {": ("FT011", (1, 9, 1, 9), "the `{` of line 1 is not closed"),
    "ft 1 a = [1, (2": ("FT011", (1, 16, 1, 16), "the `(` of line 1 is not closed"),
    "ft 1 a = [1, 2\nb = 3": ("FT011", (1, 15, 1, 15), "the `[` of line 1 is not closed"),
}


@pytest.mark.parametrize("text", NOT_PLAIN)
def test_what_is_meant_is_not_plain(text: str) -> None:
    code, span, message = NOT_PLAIN[text]
    finding = only(text)
    assert (finding.code, finding.span[:4], finding.message) == (code, span, message)
    assert finding.help


def test_a_number_in_a_name_without_quotes_is_no_mistake_of_its_own() -> None:
    finding = only("ft 1 a = mistralai/Mixtral-8x7B-v0.1")
    assert (finding.code, finding.span[:4]) == ("FT021", (1, 10, 1, 37))
    assert finding.fix
    assert finding.fix.edits[0].text == '"mistralai/Mixtral-8x7B-v0.1"'


EXPECTED = {
    "ft 1 a = * 3": "expected a value after `=`",
    "ft 1 a = [1, *]": "expected a value or `]` after `,`",
    "ft 1 a = f(*)": "expected a value or `)` after `(`",
    "ft 1 a = (1, 2)": "expected `)` after `1`",
    "ft 1 a { = }": "expected a key or `}` after `{`",
    "ft 1 = 3": "expected a statement after `1`",
    "ft 1 a = if b else c": "expected `then` after `b`",
    'ft 1 let "a b" = 1': "expected a name after `let`",
    "ft 1 import 3": 'expected a string in double quotes: `"…"` after `import`',
    "ft 1 target a = 1": "expected `{` after `a`",
}


@pytest.mark.parametrize("text", EXPECTED)
def test_what_was_expected_is_said_in_words(text: str) -> None:
    _, findings = parse_partial(text)
    assert findings[0].help == EXPECTED[text]


def test_the_opening_bracket_is_shown() -> None:
    finding = only("ft 1\na {\n  b = (1 + 2\n  c = 3\n}")
    assert finding.code == "FT011"
    assert finding.related[0].span[:4] == (3, 7, 3, 8)


def test_indentation_tells_which_brace_was_forgotten() -> None:
    finding = only("ft 1\na {\n  b = lora {\n    c = 1\n  d = 2\n}\ne { f = 1 }\n")
    assert finding.code == "FT011"
    assert finding.message == "the `{` of line 3 is not closed"


def test_a_keyword_at_the_margin_shows_where_a_brace_is_missing() -> None:
    tree, (finding,) = parse_partial("ft 1\na {\n  b = 1\ntarget t { }\n")
    assert (finding.code, finding.span[:4]) == ("FT011", (3, 8, 3, 8))
    assert tree is not None
    assert shape(tree) == "(ft 1 (block a (= b 1)) (target t))"


def test_messages_stay_short_whatever_the_text() -> None:
    for text in (
        f"ft 1 a = [ {'b' * 5000} = 1",
        f"ft 1 {'a' * 5000}",
        f"ft 1 a = 1_{'0' * 5000}",
        f"ft 1 a = '{'b' * 5000}'",
    ):
        for finding in parse_partial(text)[1]:
            assert len(finding.message) < 200
            assert len(finding.help or "") < 200
