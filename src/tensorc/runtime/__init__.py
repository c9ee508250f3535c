"""What compiled functions share at run time: cells (the storage of shared variables).

May import `ir` only. Buffers, threads and profiles belong here too when they come.
"""
