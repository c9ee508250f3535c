"""`tc.debugprint`: one line a node, each followed once."""

import io
import re

import numpy as np
import pytest

import tensorc as tc


def shown(*args, **options):
    return tc.debugprint(*args, file="str", **options)


def test_the_tree():
    x, y = tc.scalars("x", "y")
    product = x * y
    assert (
        shown(tc.exp(product) + product * 2)
        == """\
add [id A]
 |exp [id B]
 | |mul [id C]
 | | |x [id D]
 | | |y [id E]
 |mul [id F]
 | |mul [id C] ...
 | |2 [id G]
"""
    )


def test_options():
    x = tc.vector("x")
    expr = (-x).sum(axis=0)
    assert shown(expr, ids="int", print_type=True) == (
        "sum{axes=0} [id 0] <tensor<f64>>\n |neg [id 1] <tensor<?xf64>>\n | |x [id 2] <tensor<?xf64>>\n"
    )
    assert shown(expr, ids="") == "sum{axes=0}\n |neg\n | |x\n"
    assert shown(expr, 2, ids="") == "sum{axes=0}\n |neg\n"
    assert shown(expr, depth=-1) == shown(expr)
    for wrong in ({"ids": "letters"}, {"depth": -2}, {"depth": "all"}, {"file": 5}):
        with pytest.raises(tc.TensorcError) as caught:
            tc.debugprint(expr, **wrong)
        assert "test_debugprint.py" in str(caught.value)


def test_where_it_goes(capsys):
    x = tc.vector("x")
    assert tc.debugprint(x) is None
    assert capsys.readouterr().out == "x [id A]\n"
    stream = io.StringIO()
    tc.debugprint([x, 2.5, tc.vector(), tc.shared(1.0), x], file=stream)
    assert stream.getvalue() == ("x [id A]\n2.5 [id B]\n<symbol> [id C]\n<shared> [id D]\nx [id A]\n")


def test_a_function_shows_its_optimised_graph_and_its_updates():
    x, w = tc.scalar("x"), tc.shared(1.0, "w")
    f = tc.function([x], {"loss": tc.log(1 + tc.exp(x * w))}, updates={w: w - x})
    assert shown(f, ids="") == ("'loss': softplus\n |mul\n | |x\n | |w\nw <- sub\n |w\n |x\n")
    big = tc.constant(np.arange(100.0))
    assert "array(100, float64)" in shown(tc.function([x], big * x))


def test_deep_and_wide_graphs_stay_linear():
    deep = x = tc.vector("x")
    for _ in range(10_000):
        deep = tc.exp(deep)
    text = shown(deep)
    assert text.count("exp [id") == 10_000 + text.count("continued at")
    assert len(text) < 2_000_000
    last = text.splitlines()[-1]
    assert last.endswith("x [id " + re.findall(r"\[id (\w+)\]", last)[0] + "]")
    doubled = x
    for _ in range(100):
        doubled = doubled + doubled
    assert shown(doubled).count("add") <= 200 + 5
    assert shown(doubled) == shown(doubled)
