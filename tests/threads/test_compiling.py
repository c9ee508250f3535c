"""Compiling in many threads, again and again, and in the children of a fork."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.threads.process import run

linux = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc/self/statm")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


def test_sixteen_threads_compiling_at_once_agree_bit_for_bit() -> None:
    assert (
        run(
            """
            from tensorc.codegen_llvm import jit
            values = np.linspace(-2, 2, 101)
            jobs, found = [], {}
            def work(k):
                x = tc.vector("x")
                y = tc.exp(x) * (k % 4 + 0.5)
                f = tc.function([x], [y, tc.grad(y.sum(), x)])
                g = tc.function([x], tc.nn.softmax(x))  # the same program in all threads
                strided = f(np.repeat(values, 2)[::2])  # compiles the generic body
                whole = f(values)
                bodies = [*f.machine.bodies.values(), *g.machine.bodies.values()]
                code = [body.object_code.data for body in bodies]
                found[k] = ([a.tobytes() for a in [*whole, *strided, g(values)]], code)
            together(*[lambda k=k: work(k) for k in range(16)])
            for k in range(16):
                assert found[k] == found[k % 4], k
            assert found[0] != found[1]
            print("agreed", len(found))
            """,
            timeout=120,
        )
        == "agreed 16\n"
    )


def test_sixteen_threads_share_one_generic_body() -> None:
    run(
        """
        from tensorc.codegen_llvm import native
        x = tc.vector("x")
        f = tc.function([x], x * 2)
        made, compiled = [], native.NativeBody.__init__
        def counted(self, code):
            made.append(1)
            compiled(self, code)
        native.NativeBody.__init__ = counted
        values = np.arange(20.0)[::2]
        def work():
            assert (f(values) == values * 2).all()
        together(*[work] * 16)
        assert len(made) == 1, made
        """
    )


@linux
def test_functions_compiled_and_dropped_leave_memory_flat() -> None:
    """What LLVM's pass managers and libraries would keep was 100 KiB a function."""
    grown = float(
        run(
            """
            import ctypes
            trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda n: None)
            def resident():
                trim(0)
                return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE")
            def one(k):
                x = tc.vector("x")
                f = tc.function([x], x * float(k) + 1)
                assert f(np.ones(2))[0] == k + 1
                if k % 10 == 0:
                    gc.collect()
            for k in range(40):
                one(k)
            before = resident()
            for k in range(100, 161):
                one(k)
            print((resident() - before) / 60)
            """,
            timeout=200,
        )
    )
    assert grown < 20_000, f"{grown} bytes a function"


def test_functions_are_freed_without_the_garbage_collector() -> None:
    run(
        """
        import weakref
        x = tc.vector("x")
        w = tc.shared(np.zeros(2))
        gc.disable()
        f = tc.function([x], {"y": x + w}, updates={w: w + 1})
        f(np.ones(2)), f(np.ones(4)[::2]), f([1, 2])
        gone = [weakref.ref(o) for o in (f, *f.machine.bodies.values())]
        del f
        assert [ref() for ref in gone] == [None] * 3
        """
    )


@linux
def test_engines_are_closed_with_their_last_library() -> None:
    run(
        """
        from tensorc.codegen_llvm import jit, llvm_loader
        code = jit.compile_text("define i32 @f() { ret i32 7 }", level=0)
        def load():
            tracker, _ = llvm_loader.load([code.data], {}, ["f"])
            return tracker
        kept = load()
        first = kept.engine
        for _ in range(2 * llvm_loader.LIBRARIES_PER_ENGINE):
            last = load()
        assert last.engine is not first
        assert not first.closed
        del kept
        assert sys.getrefcount(first) == 2
        """
    )


def test_eval_in_many_threads_while_its_table_overflows() -> None:
    run(
        """
        from tensorc.api import function as module
        module._EVALUATOR_LIMIT = 3
        x = tc.scalar("x")
        exprs = [x + float(k) for k in range(8)]
        def work():
            for _ in range(2):
                for k, expr in enumerate(exprs):
                    assert expr.eval({x: 1.0}) == 1 + k
        together(*[work] * 4)
        assert len(module._EVALUATORS) <= 3 + 4
        """
    )


@forks
@pytest.mark.parametrize("entry", ["native", "python"])
def test_a_fork_while_threads_compile(entry: str) -> None:
    run(
        f"""
        if {entry == "python"}:
            python_entry()
        """
        + """
        x = tc.vector("x")
        w = tc.shared(np.zeros(3))
        f = tc.function([x], x + w, updates={w: w + x})
        stop = threading.Event()
        def work(k):
            while not stop.is_set():
                k += 1
                y = tc.vector("y")
                assert tc.function([y], y * float(k))(np.ones(1))[0] == k
        threads = [threading.Thread(target=work, args=(1000 * n,), daemon=True) for n in range(3)]
        for thread in threads:
            thread.start()
        for round in range(5):
            time.sleep(0.02 * round)
            child = os.fork()
            if child == 0:
                signal.alarm(30)
                y = tc.vector("y")
                good = tc.function([y], tc.exp(y) - 1)(np.zeros(4)).tolist() == [0] * 4
                w.set_value([1.0, 2.0, 3.0])
                good &= f(np.ones(3)).tolist() == [2, 3, 4] and w.get_value().tolist() == [2, 3, 4]
                good &= f(np.ones(6)[::2]).tolist() == [3, 4, 5]
                os._exit(0 if good else 1)
            assert os.waitpid(child, 0)[1] == 0
        stop.set()
        for thread in threads:
            thread.join()
        assert w.get_value().tolist() == [0, 0, 0]
        """,
        timeout=120,
    )
