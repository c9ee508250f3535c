"""Arrays in and out of commands: `.npy` files, and a printed form."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from tensorc.cli.errors import CommandLineError, wrong_file
from tensorc.cli.text import reason

Array = np.ndarray[Any, np.dtype[Any]]
_MAGIC: Final = b"\x93NUMPY"
_HELP: Final = "write it with numpy.save('x.npy', array)"


def load_array(name: str) -> Array:
    """The array of a `.npy` file, in native byte order; Python objects are never unpickled."""
    try:
        data = Path(name).read_bytes()
    except (OSError, ValueError) as error:
        raise wrong_file(f"cannot read {name}: {reason(error)}") from None
    if not data.startswith(_MAGIC):
        raise wrong_file(f"{name} is not a .npy file", _HELP)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array: Array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except MemoryError:
        raise wrong_file(f"{name}: its header asks for more memory than there is") from None
    except Exception as error:  # NumPy's reader meets hostile headers with half the exceptions of Python
        raise wrong_file(f"{name} is a damaged .npy file: {reason(error).splitlines()[0]}", _HELP) from None
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def check_targets(names: Sequence[str], results: int) -> None:
    """Whether `-o` names fit the number of results: one file each, or one `.npz` for all."""
    if not names or (len(names) == 1 and names[0].endswith(".npz")) or len(names) == results:
        return
    plural = "s" if results != 1 else ""
    raise CommandLineError(
        f"{len(names)} output files for {results} result{plural}; give one -o for each, or one .npz"
    )


def save_arrays(names: Sequence[str], arrays: Sequence[Array]) -> None:
    """Write results as `check_targets` allows."""
    archive = len(names) == 1 and names[0].endswith(".npz")
    try:
        if archive:
            with open(names[0], "wb") as file:
                np.savez(file, *arrays)
            return
        for name, array in zip(names, arrays, strict=True):
            with open(name, "wb") as file:
                np.save(file, array, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise wrong_file(f"cannot write {', '.join(names)}: {reason(error)}") from None


def print_arrays(arrays: Sequence[Array]) -> None:
    """Each result: a line with its dtype and shape, then NumPy's text of it."""
    for number, array in enumerate(arrays):
        text = np.array2string(array, separator=", ", floatmode="unique", max_line_width=110)
        sys.stdout.write(f"# result {number}: {array.dtype} {list(array.shape)}\n{text}\n")
