"""The command line: `tensorc COMMAND ...`, also `python -m tensorc`.

One file a command, each with `add(commands)`, which describes its arguments, and the function that runs it.
`entry.py` turns every error into one diagnostic and an exit status; `text.py`, `arrays.py` and `user_file.py`
read what users name. A new command is one file and one line in `entry.COMMANDS`. Heavy modules (LLVM, SciPy)
are imported inside the commands that need them.

May import every layer; nothing imports it but `tensorc.__main__`.
"""

from tensorc.cli.entry import main

__all__ = ["main"]
