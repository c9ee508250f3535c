"""How destination-passing tensor ops become loops. Used by the pass `lower-to-loops`; imports `ir`, `ops`.

`nest.py` loop nests over buffers and merging of axes; `kernel.py` the one emitter of kernels (elementwise,
row and column form); `sums.py` blocked pairwise combination; `families.py` what a family of ops looks like as
a kernel. An op that fits no family lowers itself (`lower` in its class).
"""
