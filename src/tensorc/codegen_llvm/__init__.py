"""L2 loops to machine code in this process; see README.md."""
