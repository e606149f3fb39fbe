"""Many runs of one scenario: every combination of varied values with every seed, in virtual time, on all cores or on
a cluster. What the runs tell of the monitor is the business of `hil.card`.
"""

import contextlib
import functools
import json
import logging
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import NamedTuple, NoReturn

from hil import bench, expect, grid, plant, program, scenario, truth
from hil.evidence import Background
from hil.grid import Dimension
from hil.reader import Frame
from hil.rig import Rig

GRACE_S = 10.0  # for a worker to stop its program when the sweep's own process is gone
CONNECT_LIMIT = "10 s"
_ENDED = threading.Event()  # of a worker process: it was told to end

Files = tuple[tuple[str, bytes], ...]  # name and content


class CampaignError(RuntimeError):
    """The sweep cannot go on: nobody is left to run it."""


class Crew(NamedTuple):
    """Who does the runs; `words` for people."""

    executor: Executor
    words: str


@dataclass(frozen=True, slots=True)
class Vessel:
    """One that has a leak alarm, and the truth about it: where it does not leak, the onset is None."""

    name: str
    onset_s: float | None = None
    leak_kg_per_s: float = 0.0  # when the hole opens


@dataclass(frozen=True, slots=True)
class Point:
    """One combination: all that another machine needs to run it, and what is true there."""

    index: int
    labels: tuple[str, ...]  # of the varied values, in the order of the dimensions
    name: str
    tables: str  # the scenario, as JSON
    board: str  # its file, of these:
    files: Files  # the board and what lies beside it in its name
    vessels: tuple[Vessel, ...]
    unknown: tuple[str, ...]  # vessels of the board that no plant is named after

    @contextlib.contextmanager
    def case(self, seed: int = 1) -> Iterator[scenario.Case]:
        """The scenario, with its board in a folder for as long as the block lasts."""
        with _folder(self.files) as folder:
            yield scenario.resolve(json.loads(self.tables) | {"seed": seed}, folder / f"{self.name}.toml")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run: when leak alarms were raised, or why there was no run to speak of."""

    index: int  # of its point
    seed: int
    raised_s: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # vessel -> its leak alarm
    end_s: float = 0.0
    broken: tuple[str, ...] = ()  # expectations that were not met, and what was measured
    error: str = ""
    wall_s: float = 0.0


def points(file: str, dimensions: Sequence[Dimension], *, judge: bool) -> list[Point]:
    """All combinations, each checked as `hil run` would. ValueError and OSError as from there; `judge` keeps the
    scenario's expectations.
    """
    path = scenario.find(file)
    tables = scenario.tables(path)
    if not judge:
        tables.pop("expect", None)
    found = []
    for index, places in enumerate(grid.combinations(dimensions)):
        varied = tables
        for each, place in zip(dimensions, places, strict=True):
            varied = grid.with_value(varied, each.key, each.values[place])
        labels = tuple(each.labels[place] for each, place in zip(dimensions, places, strict=True))
        try:
            found.append(_point(index, labels, varied, path))
        except ValueError as error:
            where = ", ".join(f"{each.key} = {label}" for each, label in zip(dimensions, labels, strict=True))
            raise ValueError(f"with {where}:\n{error}" if where else str(error)) from error
    return found


def _point(index: int, labels: tuple[str, ...], tables: dict[str, object], path: Path) -> Point:
    case = scenario.resolve(tables, path)
    Rig(case)
    board = case.board.path
    beside = [at for at in sorted(board.parent.iterdir()) if at.name.startswith(f"{board.stem}.")]
    vessels = case.board.file.vessels
    return Point(
        index,
        labels,
        path.stem,
        json.dumps(tables | {"board": board.name}, default=str),
        board.name,
        tuple((at.name, at.read_bytes()) for at in beside if at == board or at.suffix == ".toml"),
        tuple(_vessel(case, name) for name in vessels if name in case.plants),
        tuple(name for name in vessels if name not in case.plants),
    )


def _vessel(case: scenario.Case, name: str) -> Vessel:
    onset_ns = truth.onset_ns(case, name)
    if onset_ns is None or onset_ns >= case.scenario.duration:
        return Vessel(name)
    leak_kg_per_s = plant.reading(plant.build(case.plants[name]), "leak")(onset_ns)
    return Vessel(name, onset_ns / 1e9, leak_kg_per_s)


def outcomes(executor: Executor, todo: Sequence[Point], seeds: range) -> Iterator[Outcome]:
    """Each run as it comes in, in any order; seed by seed, so that what there is at any time covers all points alike.

    CampaignError when a worker process was killed or the scheduler was lost.
    """
    runs = {executor.submit(trial, point, seed): (point, seed) for seed in seeds for point in todo}
    for run in as_completed(runs):
        point, seed = runs[run]
        try:
            error = run.exception()
        except CancelledError as lost:
            raise CampaignError("the scheduler was lost, or has cancelled what was to be run") from lost
        if isinstance(error, BrokenExecutor):
            raise CampaignError("a worker process was killed: perhaps for want of memory") from error
        if error is not None:  # of the cluster; those of the run are in its outcome
            yield Outcome(point.index, seed, error=f"{type(error).__name__}: {error}")
        else:
            yield run.result()


def trial(point: Point, seed: int) -> Outcome:
    """One run. Whatever goes wrong with it is its outcome."""
    if _ENDED.is_set():
        raise SystemExit
    began_s = time.monotonic()
    try:
        with point.case(seed) as case:
            run = bench.Bench(case, _background(point)).run(real=False)
            verdicts = expect.judge(run, case.expectations)
        return Outcome(
            point.index,
            seed,
            {vessel.name: _raised(run.frames, f"{vessel.name}.leak") for vessel in point.vessels},
            run.end_ns / 1e9,
            tuple(f"{each.expected}: {each.measured}" for each in verdicts if not each.passed),
            "",
            time.monotonic() - began_s,
        )
    except Exception as error:  # the sweep goes on, and tells
        text = str(error) if isinstance(error, program.ProgramError) else f"{type(error).__name__}: {error}"
        return Outcome(point.index, seed, error=text, wall_s=time.monotonic() - began_s)


def _raised(frames: Sequence[Frame], alarm: str) -> tuple[float, ...]:
    return tuple(frame.time_ns / 1e9 for frame in frames if frame.alarm == alarm and frame.raises)


@functools.lru_cache(maxsize=64)
def _background(point: Point) -> Background:
    """No seed changes it: worked out once for each point, in each process."""
    with point.case() as case:
        return bench.background(case, _xtce(point.board, point.files))


@functools.lru_cache(maxsize=8)
def _xtce(board: str, files: Files) -> bytes:
    with _folder(files) as folder:
        return program.output(["xtce", str(folder / board)])


@contextlib.contextmanager
def _folder(files: Files) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hil-") as folder:
        for name, content in files:
            (Path(folder) / name).write_bytes(content)
        yield Path(folder)


@contextlib.contextmanager
def local(jobs: int) -> Iterator[Crew]:
    """This machine: `jobs` processes, each on a core of its own while there are enough. Left by an exception, it ends
    the runs that are under way and leaves nothing behind.
    """
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads of a progress bar
    cores: SimpleQueue[int] = context.SimpleQueue()
    usable = sorted(os.sched_getaffinity(0))
    for job in range(jobs):
        cores.put(usable[job % len(usable)])
    # The folders of all runs are in one, so that those of a worker that was killed go with the others.
    with tempfile.TemporaryDirectory(prefix="hil-", ignore_cleanup_errors=True) as folder:
        pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(cores, folder))
        try:
            yield Crew(pool, f"{jobs} process{'es' if jobs > 1 else ''}")
        except BaseException:
            for worker in multiprocessing.active_children():
                worker.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(cores: "SimpleQueue[int]", folder: str) -> None:
    """A worker process begins: on its core, deaf to Ctrl-C, which is for the sweep to hear, and ending with it."""
    os.sched_setaffinity(0, {cores.get()})
    os.setsid()
    tempfile.tempdir = folder
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end(*_: object) -> NoReturn:
    _ENDED.set()
    raise SystemExit


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)


@contextlib.contextmanager
def cluster(address: str) -> Iterator[Crew]:
    """A dask.distributed cluster, with Ullage and its extra `bench` on each worker. Left by an exception, what has not
    begun is cancelled; what is under way there ends by itself. CampaignError when nobody answers.
    """
    from distributed import Client  # noqa: PLC0415  (an extra, and slow)

    logging.getLogger("distributed").setLevel(
        logging.CRITICAL
    )  # a lost scheduler is said here, without tracebacks
    try:
        client = Client(address, timeout=CONNECT_LIMIT)
    except (OSError, ValueError) as error:
        raise CampaignError(f"no scheduler at {address}: {error}") from error
    with client:
        executor = client.get_executor(pure=False)
        try:
            count = len(client.scheduler_info(n_workers=-1)["workers"])
            yield Crew(executor, f"{count} worker{'' if count == 1 else 's'} of {address}")
        finally:
            executor.shutdown(wait=False)
