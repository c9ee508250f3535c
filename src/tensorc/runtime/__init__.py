"""What compiled functions share at run time: cells (the storage of shared variables), and memory that
is kept between calls.

May import `ir` only. Threads and profiles belong here too when they come.
"""
