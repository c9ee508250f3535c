"""Errors in a notebook: the cell and the expression in it, no frame of IPython or of the package."""

from __future__ import annotations

import asyncio
import warnings
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
CELLS = (
    "import numpy as np\nimport tensorc as tc\nx, w = tc.matrices('x', 'w')",
    "def layer(a):\n    return tc.dot(a, w)\n\nf = tc.function([x, w], layer(x))",
    "def go():\n    return f(np.zeros((2, 3)), np.zeros((4, 5)))\n\ngo()",
    "if x > 0:\n    y = x\nelse:\n    y = -x",
    "x.reshpe(3)",
    "1 / 0",
)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What stands below each cell of a notebook run by a real kernel."""
    reason = "the notebook test needs nbclient and ipykernel (pip install tensorc[test])"
    nbclient = pytest.importorskip("nbclient", reason=reason)
    pytest.importorskip("ipykernel", reason=reason)
    nbformat = pytest.importorskip("nbformat", reason=reason)
    notebook: Any = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    folder = str(tmp_path_factory.mktemp("notebook"))
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")  # of the notebook machinery, about its own dependencies
        patch.setenv("PYTHONPATH", str(ROOT / "src"))
        patch.setenv("IPYTHONDIR", folder)
        asyncio.run(
            nbclient.NotebookClient(
                notebook,
                timeout=120,
                kernel_name="python3",
                allow_errors=True,
                resources={"metadata": {"path": folder}},
            ).async_execute()
        )
    return ["\n".join(line for o in c.outputs for line in o.get("traceback", ())) for c in notebook.cells]


def test_correct_cells_say_nothing(shown: list[str]) -> None:
    assert shown[:2] == ["", ""]


def test_a_fault_names_the_cell_of_the_expression_and_of_the_call(shown: list[str]) -> None:
    assert shown[2].splitlines()[:9] == [
        "Traceback (most recent call last):",
        '  File "Cell In[3]", line 4, in <module>',
        "    go()",
        "tensorc.TensorcValueError: error[TC0258]: "
        "matmul: rows of 3 elements on the left meet columns of 4 on the right",
        "  --> Cell In[2]:2:12",
        "2 |     return tc.dot(a, w)",
        "  |            ^^^^^^^^^^^^",
        "  called at Cell In[3]:2:12",
        "2 |     return f(np.zeros((2, 3)), np.zeros((4, 5)))",
    ]


def test_the_remedy_is_made_of_the_cell(shown: list[str]) -> None:
    assert "  --> Cell In[4]:1:4" in shown[3].splitlines()
    assert "y = tc.where(x > 0, x, -x)" in shown[3]
    assert "did you mean x.reshape" in shown[4]


def test_other_errors_look_as_ever(shown: list[str]) -> None:
    assert "ZeroDivisionError" in shown[5]
    assert "tensorc" not in shown[5]
