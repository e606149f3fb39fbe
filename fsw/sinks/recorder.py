"""Packets to disk: plain space packets one after another, in segments of bounded size.

The disk has a thread of its own behind a bounded queue, since a write or an fdatasync may take seconds.
A killed process loses at most WRITE_EVERY_S of packets, a power cut at most the `sync` time; an alarm is
synced at once.
"""

import contextlib
import fcntl
import logging
import mmap
import os
import re
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ByteSize, ConfigDict, model_validator

from fsw.packets import event, frame
from fsw.quantity import Duration

QUEUE_BYTES = 4 << 20
WRITE_EVERY_S = 0.2
RETRY_AFTER_S = 1.0
CLOSE_WITHIN_S = 5.0
SMALLEST_SEGMENT_BYTES = 64 << 10
FIRST_LOOK_BYTES = 64 << 10
SUFFIX = ".tm"

_log = logging.getLogger(__name__)
_SERVICE_AT, _SECONDS_AT = 7, 14  # bytes of a packet


def _positive(duration_ns: int) -> int:
    if duration_ns <= 0:
        raise ValueError('must be longer than nothing, such as "2 s"')
    return duration_ns


class Options(BaseModel):
    """Where, and how much of it; `sync` in ns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    directory: Path
    segment_size: ByteSize = ByteSize(16 << 20)
    sync: Annotated[Duration, AfterValidator(_positive)] = 2_000_000_000
    keep: ByteSize = ByteSize(4 << 30)
    samples: bool = True  # the raw samples, TM[129,130]: a replay needs them

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.segment_size < SMALLEST_SEGMENT_BYTES:
            raise ValueError(
                f"segment_size = {self.segment_size} bytes: must be at least {SMALLEST_SEGMENT_BYTES}"
            )
        if self.keep < 2 * self.segment_size:
            raise ValueError(
                f"keep = {self.keep} bytes: must be at least two segments ({2 * self.segment_size} bytes), "
                "since the oldest is deleted before a new one is begun"
            )
        return self


class Recovery(NamedTuple):
    """What a torn end cost when the recorder started."""

    segment: Path
    lost_bytes: int


class Sink:
    """One recording. While the disk fails packets wait, the oldest are dropped, what is recorded stays."""

    def __init__(self, options: Options, board: str) -> None:
        self.dropped = 0
        self.degraded = ""  # why nothing can be written at the moment
        self._recording = _Recording(options, re.sub(r"[^A-Za-z0-9_-]", "_", board))
        self._sync_s = options.sync / 1e9
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._wake = threading.Condition()
        self._urgent = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"record {options.directory}", daemon=True)
        self._thread.start()

    @property
    def recovery(self) -> Recovery | None:
        """The torn end that was cut off, if there was one."""
        return self._recording.recovery

    def send(self, packets: Sequence[bytes]) -> None:
        """Queue the packets; an alarm among them is brought to the disk at once."""
        if not packets:
            return
        with self._wake:  # held by the other side for no longer than it takes to empty a deque
            self._waiting.extend(packets)
            self._waiting_bytes += sum(map(len, packets))
            self._trim()
            if any(packet[_SERVICE_AT] == event.SERVICE for packet in packets):
                self._urgent = True
                self._wake.notify()

    def close(self) -> None:
        """Bring out what waits, for a few seconds at most."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join(CLOSE_WITHIN_S)
        self.dropped += len(self._waiting)

    def _trim(self) -> None:
        while self._waiting_bytes > QUEUE_BYTES:
            self._waiting_bytes -= len(self._waiting.popleft())
            self.dropped += 1

    def _run(self) -> None:
        synced_s = time.monotonic()
        closed = False
        while not closed:
            batch, urgent, closed = self._take()
            try:
                while batch:
                    self._recording.write(batch)
                if urgent or closed or time.monotonic() >= synced_s + self._sync_s:
                    self._recording.sync()
                    synced_s = time.monotonic()
                self._declare("")
            except OSError as error:
                self._recording.abandon()
                self._declare(str(error))
                self._put_back(batch)
                if not closed:
                    time.sleep(RETRY_AFTER_S)
        self._recording.abandon()

    def _take(self) -> tuple[deque[bytes], bool, bool]:
        with self._wake:
            self._wake.wait_for(lambda: self._urgent or self._closed, WRITE_EVERY_S)
            batch, self._waiting, self._waiting_bytes = self._waiting, deque(), 0
            urgent, self._urgent = self._urgent, False
            return batch, urgent, self._closed

    def _put_back(self, batch: deque[bytes]) -> None:
        with self._wake:
            self._waiting.extendleft(reversed(batch))
            self._waiting_bytes += sum(map(len, batch))
            self._trim()

    def _declare(self, degraded: str) -> None:
        if degraded != self.degraded:
            _log.warning("%s: %s", self._recording.directory, degraded or "recording again")
            self.degraded = degraded


class _Recording:
    """The segments of one board in one directory. Every method may raise OSError and may be called again."""

    def __init__(self, options: Options, board: str) -> None:
        self.directory = options.directory
        self.recovery: Recovery | None = None
        self._options = options
        self._name = re.compile(re.escape(board) + r"-(\d{8})-\d{8}T\d{6}Z" + re.escape(SUFFIX))
        self._board = board
        self._lock: int | None = None
        self._segment: int | None = None
        self._path: Path | None = None
        self._size = 0

    def write(self, batch: deque[bytes]) -> None:
        """Write packets from the left of `batch`, as many as fit into one segment, and take them off it."""
        if self._lock is None:
            self._lock = self._start()
        if self._segment is None or self._size + len(batch[0]) > self._options.segment_size:
            self._begin(batch[0])
        assert self._segment is not None
        count = size = 0
        for packet in batch:
            if self._size + size + len(packet) > self._options.segment_size:
                break
            count, size = count + 1, size + len(packet)
        data = b"".join(packet for packet, _ in zip(batch, range(count), strict=False))
        written = os.write(self._segment, data)
        if written != size:  # the disk is full: no half packet is left behind
            os.ftruncate(self._segment, self._size)
            raise OSError(f"the disk is full: only {written} of {size} bytes were taken")
        self._size += size
        for _ in range(count):
            batch.popleft()

    def sync(self) -> None:
        """What is written is on the disk."""
        if self._segment is not None:
            os.fdatasync(self._segment)
            if not os.fstat(self._segment).st_nlink:
                raise OSError("the segment was deleted under us; beginning another")

    def abandon(self) -> None:
        """Let go of files and lock; the next write begins with another look at the directory."""
        for descriptor in (self._segment, self._lock):
            if descriptor is not None:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self._segment = self._lock = None

    def _start(self) -> int:
        self.directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if segments := self._segments():
                self._go_on(segments[-1])
        except BlockingIOError:
            os.close(lock)
            raise OSError("another recorder is at work in this directory") from None
        except OSError:
            os.close(lock)
            raise
        return lock

    def _go_on(self, newest: Path) -> None:
        """Cut the newest segment after its last whole packet; it is filled up before another is begun."""
        size = newest.stat().st_size
        left_by_us = newest == self._path and size == self._size
        whole = size if left_by_us or not size else _whole_bytes(newest)
        self._segment = os.open(newest, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._path, self._size = newest, whole
        if whole < size:
            os.ftruncate(self._segment, whole)
            self.recovery = Recovery(newest, size - whole)
            _log.warning("%s: %d bytes of a torn end were cut off", newest, size - whole)

    def _begin(self, first: bytes) -> None:
        """A new segment, named by its number and by the time of its first packet."""
        self.sync()
        segments = self._segments()
        number = self._number(segments[-1]) + 1 if segments else 0
        self._make_room(segments)
        if self._segment is not None:
            os.close(self._segment)
            self._segment = None
        began = time.gmtime(int.from_bytes(first[_SECONDS_AT : _SECONDS_AT + 4]))
        path = self.directory / f"{self._board}-{number:08d}-{time.strftime('%Y%m%dT%H%M%SZ', began)}{SUFFIX}"
        self._segment = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644
        )
        self._path, self._size = path, 0
        if self._lock is not None:
            os.fsync(self._lock)  # the directory: the new name must outlive a power cut too

    def _make_room(self, segments: list[Path]) -> None:
        """Delete the oldest until a whole new segment fits within `keep`."""
        sizes = [segment.stat().st_size for segment in segments]
        total = sum(sizes) + self._options.segment_size
        for segment, size in zip(segments[:-1], sizes[:-1], strict=True):
            if total <= self._options.keep:
                break
            segment.unlink()
            total -= size

    def _segments(self) -> list[Path]:
        return sorted(path for path in self.directory.iterdir() if self._name.fullmatch(path.name))

    def _number(self, segment: Path) -> int:
        found = self._name.fullmatch(segment.name)
        return int(found[1]) if found else 0


def _whole_bytes(segment: Path) -> int:
    """Where the last whole packet of the segment ends; looked for from the end, so that a start is quick."""
    with segment.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        window = FIRST_LOOK_BYTES
        while True:
            start = max(0, len(data) - window)
            stretches = frame.split(data[start:])
            end = max(
                (start + offset + len(whole) for offset, whole, found, _ in stretches if found), default=0
            )
            if end or not start:
                return end
            window *= 4
