"""A window of few samples over many."""

import pytest

from fsw.leak.window import Window

from .plant import NS


@pytest.mark.parametrize("step_ns", [NS // 10, NS // 1000])
def test_a_window_keeps_its_slope_with_few_samples_at_any_rate(step_ns):
    window = Window(8 * NS, 64)
    for i in range(10 * NS // step_ns):
        window.push(1 + i * step_ns, 1e5 - 0.25 * i * step_ns / NS)
    assert window.fit is not None
    assert window.fit.slope == pytest.approx(-0.25, rel=1e-9)
