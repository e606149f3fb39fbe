"""Packets from a telemetry line: every byte is told, whatever comes."""

from cobs import cobs
from hypothesis import given, settings
from hypothesis import strategies as st

from fsw.ground.decode import report, to_json
from fsw.ground.source import Unstuffer

from .packets import NAMES, PIECES


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=8), st.integers(1, 50))
def test_any_bytes_on_a_line_are_told_however_they_are_cut(parts, size):
    data = b"\0".join(cobs.encode(part) if number % 2 else part for number, part in enumerate(parts))
    whole = list(Unstuffer().feed(data + b"\0"))
    one, cut = Unstuffer(), []
    for first in range(0, len(data), size):
        cut += one.feed(data[first : first + size])
    cut += one.feed(b"\0")
    assert cut == whole
    for stretch in whole:
        to_json(report(stretch, NAMES).json)


def test_a_line_of_garbage_without_an_end_is_kept_within_bounds():
    one = Unstuffer()
    stretches = [stretch for _ in range(1000) for stretch in one.feed(b"\x55" * 1000)]
    assert sum(len(stretch.data) for stretch in stretches) + len(one._begun) == 1_000_000
    assert len(one._begun) <= 1500
