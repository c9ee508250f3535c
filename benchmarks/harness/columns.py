"""The columns of the table: which environment and adapter each is, and how its threads are set."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Column:
    """`adapter` is a module in `benchmarks/peers`; `environment` a lock file in `benchmarks/envs`, or "" for
    the project's own interpreter. In `variables`, `{n}` is the thread count and `{folder}` a folder of the
    worker's own. `ours` columns are compared with the best of the others.
    """

    name: str
    environment: str
    adapter: str
    variant: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    by_threads: dict[int, dict[str, str]] = field(default_factory=dict)
    ours: bool = False

    def environ(self, threads: int, folder: str) -> dict[str, str]:
        """Environment variables of the worker."""
        own = {**POOLS, **self.variables, **self.by_threads.get(threads, {})}
        return {k: v.format(n=threads, folder=folder) for k, v in own.items()}


POOLS = {name: "{n}" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
TENSORC = {"TENSORC_NUM_THREADS": "{n}", "TENSORC_CACHE": "0"}
NUMBA = {"NUMBA_NUM_THREADS": "{n}", "NUMBA_CACHE_DIR": "{folder}"}
JAX = {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1", "JAX_ENABLE_COMPILATION_CACHE": "0", "NPROC": "{n}"}
JAX_ALONE = {1: {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}}
TORCH = {
    "TORCHINDUCTOR_CACHE_DIR": "{folder}",
    "TORCHINDUCTOR_FX_GRAPH_CACHE": "0",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
}
PYTENSOR = {"PYTENSOR_FLAGS": "base_compiledir={folder},openmp=False", "NUMBA_NUM_THREADS": "{n}"}

COLUMNS = {
    c.name: c
    for c in (
        Column("tensorc", "", "tensorc_peer", variables=TENSORC, ours=True),
        Column("tensorc_out", "", "tensorc_peer", "out", variables=TENSORC, ours=True),
        Column("numpy", "numpy", "numpy_peer"),
        Column("numexpr", "numpy", "numexpr_peer", variables={"NUMEXPR_MAX_THREADS": "{n}"}),
        Column("numba", "numpy", "numba_peer", variables=NUMBA),
        Column("numba_out", "numpy", "numba_peer", "out", variables=NUMBA),
        Column("jax", "jax", "jax_peer", variables=JAX, by_threads=JAX_ALONE),
        Column("torch", "torch", "torch_peer", variables=TORCH),
        Column("torch_compile", "torch", "torch_peer", "compile", variables=TORCH),
        Column("pytensor", "pytensor", "pytensor_peer", variables=PYTENSOR),
        Column("pytensor_c", "pytensor", "pytensor_peer", "CVM", variables=PYTENSOR),
        Column("ort", "onnxruntime", "ort_peer"),
    )
}
