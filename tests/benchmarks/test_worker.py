"""The process of a peer: what it answers, how it dies, and that it stands still while others are measured."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.harness.adapter import BasePeer, Program, Programs, Skip
from benchmarks.harness.case import WORKLOADS, Case, draw, load, references
from benchmarks.harness.client import Client, WorkerFailure
from benchmarks.harness.verify import wrong_arrays
from benchmarks.harness.worker import Worker, read, timing_loop

ECHO = """
import json, os, sys, time
for line in sys.stdin:
    request = json.loads(line)
    if request["do"] == "die": print("last words", file=sys.stderr); os._exit(3)
    if request["do"] == "sleep": time.sleep(60)
    print(json.dumps({"error": "broken"} if request["do"] == "fail" else request), flush=True)
"""


@pytest.fixture
def client() -> Any:
    made = Client("echo", [sys.executable, "-c", ECHO], {})
    yield made
    made.kill()


def test_questions_and_answers(client: Client) -> None:
    assert client.ask(20, do="x", n=[1, 2]) == {"do": "x", "n": [1, 2]}
    with pytest.raises(WorkerFailure, match="broken"):
        client.ask(20, do="fail")
    assert client.ask(20, do="y")["do"] == "y"


def test_a_worker_that_dies(client: Client) -> None:
    with pytest.raises(WorkerFailure, match=r"ended \(3\) during die: last words"):
        client.ask(20, do="die")
    assert not client.alive
    with pytest.raises(WorkerFailure, match="has ended"):
        client.ask(20, do="x")


def test_a_worker_that_does_not_answer_is_killed(client: Client) -> None:
    with pytest.raises(WorkerFailure, match="no answer to sleep within"):
        client.ask(0.05, do="sleep")
    assert not client.alive


def test_a_worker_stands_still_between_questions(client: Client) -> None:
    client.ask(20, do="x")
    status = Path(f"/proc/{client.process.pid}/stat")
    for _ in range(200):  # the signal arrives a moment later
        if status.read_text().rsplit(")", 1)[1].split()[0] == "T":
            break
        time.sleep(0.01)
    else:
        pytest.fail("the worker runs between questions")


def test_every_call_gets_the_arguments_of_its_set() -> None:
    seen: list[tuple[int, ...]] = []
    timing_loop(2)(lambda a, b: seen.append((a, b)), [(1, 2), (3, 4), (1, 2)])
    assert seen == [(1, 2), (3, 4), (1, 2)]
    assert timing_loop(0)(lambda: seen.append(()), [(), ()]) > 0
    assert len(seen) == 5


PROGRAMS = Programs()


class Doubling(BasePeer):
    """A peer with one program that notes its arguments, and one that lacks an operation."""

    programs = PROGRAMS
    calls: list[float]

    def threads(self) -> dict[str, int]:
        return {"pool": 1}

    def missing(self, error: Exception) -> str | None:
        return str(error) if isinstance(error, AttributeError) else None


@PROGRAMS("softmax")
def noting(peer: Doubling, case: Case, state: Any, example: Any) -> Program:
    peer.calls = []

    def call(x: Any, factor: float) -> Any:
        peer.calls.append(float(x.flat[0]))
        return x * factor

    return Program(call, extra=(2.0,))


@PROGRAMS("axpy")
def lacking(peer: Doubling, case: Case, state: Any, example: Any) -> Any:
    return peer.axpy  # type: ignore[attr-defined]


@PROGRAMS("gemm")
def refusing(peer: Doubling, case: Case, state: Any, example: Any) -> Any:
    raise Skip("not for this size")


def prepared(tmp_path: Path, name: str) -> tuple[Worker, dict[str, Any], list[Any]]:
    w = load()[name]
    case = Case(name, w.tiny, "float32")
    variants, state = draw(w, case, 3)
    for i, arrays in enumerate(variants):
        np.savez(tmp_path / f"inputs{i}.npz", *arrays)
    np.savez(tmp_path / "state.npz", *state)
    worker = Worker(Doubling(1), 0.0)
    place = {"case": [name, list(w.tiny), "float32"], "folder": str(tmp_path), "sets": 3, "tag": "t"}
    return worker, worker.answer({"do": "prepare", **place}), variants


def test_calls_rotate_through_the_sets(tmp_path: Path) -> None:
    worker, answer, variants = prepared(tmp_path, "softmax")
    assert answer["threads"] == {"pool": 1}
    firsts = [float(v[0].flat[0]) for v in variants]
    assert worker.peer.calls == firsts
    worker.peer.calls.clear()
    timed = worker.answer({"do": "run", "calls": 4, "blocks": 2, "warm": 1})
    assert len(timed["seconds"]) == 2
    assert worker.peer.calls == (firsts * 3)[:9]
    np.testing.assert_array_equal(read(tmp_path / "t.outputs1.npz")[0], variants[1][0] * 2)


def test_what_a_peer_lacks_is_a_skip_and_not_an_error(tmp_path: Path) -> None:
    assert "no attribute 'axpy'" in prepared(tmp_path, "axpy")[1]["skip"]
    assert prepared(tmp_path, "gemm")[1] == {"skip": "not for this size"}
    assert prepared(tmp_path, "bmm")[1] == {"skip": "no program"}


def test_any_other_exception_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    worker, _, _ = prepared(tmp_path, "softmax")
    answer = worker.answer({"do": "run", "calls": "many", "blocks": 1, "warm": 0})
    assert answer["error"].startswith("ValueError: Stop argument")
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["softmax", "logreg_step", "embed_sgd"])
def test_our_own_programs_are_verified(tmp_path: Path, name: str) -> None:
    """tensorc through the worker: outputs of all sets, and the state the calls leave."""
    from benchmarks.peers.tensorc_peer import Peer

    w = WORKLOADS[name]
    worker, _, variants = prepared(tmp_path, name)
    worker.peer = Peer(1)
    place = {"case": [name, list(w.tiny), "float32"], "folder": str(tmp_path), "sets": 3, "tag": "ours"}
    answer = worker.answer({"do": "prepare", **place})
    assert answer["first_s"] > 0, answer
    case = Case(name, w.tiny, "float32")
    expected = references(w, case, variants, tuple(read(tmp_path / "state.npz")))
    for i, outputs in enumerate(expected.outputs):
        assert wrong_arrays(w, case, read(tmp_path / f"ours.outputs{i}.npz"), outputs) is None
    assert wrong_arrays(w, case, read(tmp_path / "ours.state.npz"), expected.state) is None
