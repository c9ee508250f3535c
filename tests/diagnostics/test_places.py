"""Where a program can stand: a terminal, `exec`, `-c`, a doctest, odd text; and what of it is pointed at."""

from __future__ import annotations

import copy
import linecache
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tensorc as tc
from tensorc.api.python_errors import remark
from tensorc.ir.source import fragment, text_at

ROOT = Path(__file__).parent.parent.parent


def python(*arguments: str, given: str = "", folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        input=given,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_the_prompt_has_no_source_to_show(tmp_path: Path) -> None:
    lines = (
        "import tensorc as tc",
        "x = tc.vector('x')",
        "x.sum(axis=3)",
        "y = x if x > 0 else 0",
        "x[0] = 1",
        "print('still here')",
    )
    done = python("-i", "-q", given="\n".join(lines) + "\n", folder=tmp_path)
    assert done.stdout == "still here\n"
    assert "tensorc" + os.sep + "api" not in done.stderr
    assert "  --> <stdin>:1:" in done.stderr
    assert "choose element by element with tc.where(condition, a, b)" in done.stderr
    assert "write x = x[i].set(v)" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "import tensorc as tc; tc.vector('x').sum(axis=3)"),
        ("-c", "import tensorc as tc\nexec('''x = tc.vector('x')\nx.sum(axis=3)''')"),
        ("-c", "import tensorc as tc\neval('tc.vector().sum(axis=3)')"),
    ],
)
def test_code_without_a_file(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = python(*arguments, folder=tmp_path)
    assert done.returncode == 1
    assert "error[TC0352]: sum: there is no axis 3, the array has 1 axis\n  --> <string>:" in done.stderr
    assert "api" + os.sep not in done.stderr


def test_a_module_run_by_name(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("import tensorc as tc\ntc.vector('x').sum(axis=3)\n", encoding="utf-8")
    done = python("-m", "model", folder=tmp_path)
    assert "2 | tc.vector('x').sum(axis=3)\n  | ^^^^^^^^^^^^^^^^^^^^^^^^^^\n" in done.stderr
    assert "  --> model.py:2:1\n" in done.stderr


def test_a_doctest_can_expect_an_error(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(
        ">>> import tensorc as tc\n"
        ">>> tc.vector('x').sum(axis=3)  # doctest: +ELLIPSIS\n"
        "Traceback (most recent call last):\n"
        "    ...\n"
        "tensorc.TensorcIndexError: error[TC0352]: sum: there is no axis 3, the array has 1 axis\n"
        "...\n"
        "1 | tc.vector('x').sum(axis=3)  # doctest: +ELLIPSIS\n"
        "...\n",
        encoding="utf-8",
    )
    done = python("-m", "doctest", "page.md", folder=tmp_path)
    assert done.stdout == ""
    assert done.returncode == 0


REMARKS = {
    "x.sum(axes=0)": "did you mean 'axis'? it is sum(axis=None, dtype=None, keepdims=False)",
    "tc.mean(x, dim=0)": "did you mean 'axis'? it is mean(x, axis=None, dtype=None, keepdims=False)",
    "tc.where(x > 0)": "it is where(condition, x, y)",
    "x(3)": "x is an expression: x[i] takes elements, x.eval({input: value}) computes it, "
    "f = tc.function([input], x) makes a function of it",
    "tc.tensor.exp(x)": "tc.tensor is a function; it is tc.exp",
    "from tensorc import sofmax": "did you mean tc.nn.softmax or tc.nn.log_softmax?",
}
OWN = ("mean = lambda x: x\nmean(x, axes=3)", "[].foo", "1 + 'a'", "f = {}\nf(x)", "import tensorcc")


@pytest.mark.parametrize("source", [*REMARKS, *OWN])
def test_errors_of_python_get_a_remark_where_they_are_about_us(source: str) -> None:
    name = f"<places {len(linecache.cache)}>"
    linecache.cache[name] = len(source), None, source.splitlines(True), name
    with pytest.raises((TypeError, AttributeError, ImportError)) as info:
        exec(compile(source, name, "exec"), {"__name__": "user", "tc": tc, "x": tc.matrix("x"), "f": int})
    assert not isinstance(info.value, tc.TensorcError)
    assert remark(info.value, info.value.__traceback__) == REMARKS.get(source)


def test_a_remark_stands_below_the_error_of_python(tmp_path: Path) -> None:
    source = "import tensorc as tc\nx = tc.vector('x')\nx.sum(axes=0)\n"
    (tmp_path / "model.py").write_text(source, encoding="utf-8")
    done = python("model.py", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "TypeError: Tensor.sum() got an unexpected keyword argument 'axes'",
        "  = help: did you mean 'axis'? it is sum(axis=None, dtype=None, keepdims=False)",
    ]


def message(source: str) -> list[str]:
    """The error of a program, from its excerpt on."""
    name = f"<places {len(linecache.cache)}>"
    linecache.cache[name] = len(source), None, source.splitlines(True), name
    namespace = {"__name__": "user", "tc": tc, "x": tc.vector("x"), "größe": tc.vector("größe")}
    with pytest.raises(tc.TensorcError) as info:
        exec(compile(source, name, "exec"), namespace)
    return str(info.value).splitlines()[2:]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("for row in x: pass", ["1 | for row in x: pass", "  |            ^"]),
        ("for row in (\n  x): pass", ["2 |   x): pass", "  |   ^"]),
        ("[r for r in x]", ["1 | [r for r in x]", "  |             ^"]),
        ("if (y := x > 0):\n  pass", ["1 | if (y := x > 0):", "  |     ^^^^^^^^^^"]),
        ("while x: pass", ["1 | while x: pass", "  |       ^"]),
        ("if größe > 0:\n\ty = 1", ["1 | if größe > 0:", "  |    ^^^^^^^^^"]),
        ("if 1:\n\tx['世界'] + x", ["2 |     x['世界'] + x", "  |     ^^^^^^^^^"]),
        ("y = {'a': x, 'b': not x}", ["1 | y = {'a': x, 'b': not x}", "  |                   ^^^^^"]),
    ],
)
def test_what_is_pointed_at(source: str, shown: list[str]) -> None:
    assert message(source)[: len(shown)] == shown


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ("y = (x > 0) or (x < -1) or (x == 7)", "(x > 0) | (x < -1) | (x == 7)"),
        ("y = x > 0 and True", "(x > 0) & (True)"),
        ("y = tc.where(x > 0 and x < 1, 1, 0)", "(x > 0) & (x < 1)"),
        ("y = -1 < x + 1 <= 4 != 2", "(-1 < x + 1) & (x + 1 <= 4) & (4 != 2)"),
        ("y = 1 if x > 0 else 2", "tc.where(x > 0, 1, 2)"),
        ("if x > 0: y = 1\nelse: y = 2", "y = tc.where(x > 0, 1, 2)"),
        ("if x > 0: y = 1", "y = tc.where(x > 0, 1, y)"),
        ("def f(x):\n  if x > 0: return 1\n  else: return 2\nf(x)", "return tc.where(x > 0, 1, 2)"),
        ("if x > 0: print(1)", "tc.where(condition, a, b)"),
        ("if x > 0: y = 1\nelse: z = 2", "tc.where(condition, a, b)"),
        ("if x > 0: y = 1\nelif x > 1: y = 2\nelse: y = 3", "tc.where(condition, a, b)"),
        ("y = min(x, 1.0)", "tc.minimum(x, 1.0)"),
        ("y = max(x)", "x.max(axis=0)"),
        ("y = any(x > 0)", "tc.any(x > 0)"),
        ("y = sorted([x, x + 1])", "tc.where(condition, a, b)"),
        ("assert x > 0", "check its result with assert"),
        ("y = bool(x)", "tc.where(condition, a, b)"),
        ("y = [r for r in range(3) if x > r]", "tc.where(condition, a, b)"),
        ("x[0] = x[1]", "x = x[0].set(x[1])"),
        ("x[1:][0] -= 2", "x[1:] = x[1:][0].add(-(2))"),
        ("x[0] *= 2", "x = x[0].set(...)"),
        ("y, x[0] = 1, 2", "x = x[i].set(v)"),
        ("y = int(x)", "int(x.eval({input: value}))"),
        ("del x[0]", "tc.concatenate([x[:i], x[i + 1:]])"),
    ],
)
def test_remedies_are_made_of_the_source(source: str, remedy: str) -> None:
    (help,) = [line for line in message(source) if " = help: " in line]
    assert remedy in help


def test_no_answer_where_there_is_no_source() -> None:
    assert fragment(None) is None
    assert text_at(None) is None
    namespace = {"__name__": "user", "tc": tc}
    exec(compile("x = tc.vector()", "<nowhere>", "exec"), namespace)
    assert text_at(namespace["x"].location) is None  # type: ignore[attr-defined]
    assert fragment(namespace["x"].location) is None  # type: ignore[attr-defined]


def test_a_file_that_changed_since_it_was_loaded_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text("y = x.sum(axis=3) if 1 else 0\n", encoding="utf-8")
    code = compile(file.read_text(encoding="utf-8"), str(file), "exec")
    for text in ("", "(", "\0", "a\n" * 3, "ß" * 100):
        file.write_text(text, encoding="utf-8")
        linecache.checkcache(str(file))
        with pytest.raises(tc.TensorcIndexError) as info:
            exec(code, {"__name__": "user", "x": tc.vector("x")})
        assert "there is no axis 3" in str(info.value)
        with pytest.raises(tc.TensorcTypeError, match="known only when"):
            exec(compile("x and 1", str(file), "exec"), {"__name__": "user", "x": tc.vector("x")})


def test_building_an_expression_reads_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> str:
        raise AssertionError("source is read before anything went wrong")

    monkeypatch.setattr(linecache, "getline", fail)
    monkeypatch.setattr(linecache, "getlines", fail)
    x, w = tc.matrices("x", "w")
    y = tc.nn.softmax(x @ w + x[0] * 2)[1:].set(0)
    tc.function([x, w], [tc.grad(y.sum(), w), x == w])


@pytest.mark.parametrize("name", ["a" * 10_000, "two\nlines", "\x1b[31mred", "世界", " "])
def test_odd_names_do_not_spoil_a_message(name: str) -> None:
    with pytest.raises(tc.TensorcTypeError) as info:
        float(tc.vector(name))
    first = info.value.message
    assert "\n" not in first
    assert "\x1b" not in first
    assert len(first) < 200


def test_what_libraries_ask_an_expression_for_is_answered_by_python() -> None:
    x = tc.vector("x")
    for name in ("__array_interface__", "__dlpack__", "_repr_html_", "__wrapped__", "_ipython_display_"):
        assert not hasattr(x, name)
        with pytest.raises(AttributeError) as info:
            getattr(x, name)
        assert not isinstance(info.value, tc.TensorcError)
    assert getattr(x, "iloc", None) is None
    assert copy.copy(x) is not None
    with pytest.raises(tc.TensorcAttributeError, match="it is a function"):
        x.exp  # noqa: B018
    with pytest.raises(ImportError):
        from tensorc import nothing_of_the_kind  # noqa: F401


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_form_feeds_and_odd_line_ends_do_not_shift_the_lines(end: str, tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    lines = ("a = 1", "\x0c", "b = '\u2028'", "if x > 0: y = 1", "else: y = 2")
    file.write_bytes(end.join(lines).encode() + end.encode())
    with pytest.raises(tc.TensorcTypeError) as info:
        exec(compile(file.read_bytes(), str(file), "exec"), {"__name__": "user", "x": tc.vector("x")})
    assert str(info.value).splitlines()[2:4] == ["4 | if x > 0: y = 1", "  |    ^^^^^"]
    assert str(info.value).endswith("y = tc.where(x > 0, 1, 2)")
