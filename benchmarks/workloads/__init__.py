"""The workloads: what is computed, on which inputs, and what it cannot cost less than. One file a family."""
