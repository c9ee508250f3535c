"""What compiled functions share at run time: cells (the storage of shared variables), memory
that is kept between calls, and the pool of threads.

May import `ir` only.
"""
