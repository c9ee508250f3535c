"""How destination-passing tensor ops become loops. Used by the pass `lower-to-loops`; imports `ir`, `ops`.

`nest.py` buffers in loop nests and merging of axes; `space.py` what a kernel is to its emitters; `kernel.py`
chooses the form: `rows.py` (elementwise and row form) or `columns.py`; `sums.py` blocked pairwise
combination; `strands.py` the order within a row; `families.py` what a family of ops looks like as a kernel.
An op that fits no family lowers itself (`lower` in its class). `claimed.py` allocates before a claim what is
needed behind it. Loops are marked for the passes below: `tensorc.parallel`, `tensorc.lanes`
(`ops/loops/nests.py`).
"""
