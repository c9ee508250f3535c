"""The benchmark harness: workloads, one worker process a peer, interleaved calls, floors, records.

| file | what |
|---|---|
| `case.py` | `Workload` (what is computed, its bytes and flops, the float64 reference) and `Case` (one size
and dtype) | | `columns.py` | the columns of the table: which environment, which adapter, how its threads are
set | | `environments.py` | virtual environments made from `benchmarks/envs/*.lock` |
| `adapter.py` | what a peer's file in `benchmarks/peers/` provides |
| `worker.py` | the process a peer runs in; `client.py`: the parent's side of it |
| `schedule.py` | one row: prepare, verify, take turns |
| `verify.py` | judges outputs and thread counts |
| `floors.py`, `probe.py` | bandwidth and FMA peak of the machine, and what they allow |
| `states.py` | import time, and compile plus first call in three states |
| `record.py`, `report.py`, `plots.py` | JSON lines; tables; curves |
"""
