"""The oracle that a detector is measured by: `detector_oracle.c`, compiled when asked for."""

import importlib.util
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from cffi import FFI

INTERVAL = 1e6  # samples between false alarms
RUNS = 20_000
# The oracle's alarms come as exp(threshold): counted where they are frequent, and carried from there.
THRESHOLD = {0.1: 8.0, 0.01: 7.0, 0.001: 5.8}
ALARMS = 1_500
HERE = Path(__file__).parent


def build(name: str, directory: str) -> tuple[Any, Any]:
    """Compile `<name>.c` of this folder: cffi's `ffi` and `lib`."""
    builder = FFI()
    header = (HERE / f"{name}.h").read_text()
    kept = (
        line
        for line in header.splitlines()
        if not line.startswith("#") or line.startswith(("#define ORACLE", "#define RECIPE"))
    )
    builder.cdef("\n".join(kept))
    builder.set_source(
        f"_{name}",
        f'#include "{name}.h"',
        sources=[str(HERE / f"{name}.c")],
        include_dirs=[str(HERE)],
        extra_compile_args=["-O3", "-ffast-math"],
        libraries=["m"],
    )
    spec = importlib.util.spec_from_file_location(f"_{name}", builder.compile(tmpdir=directory))
    if spec is None or spec.loader is None:
        raise ImportError(f"{name}.c was compiled, but cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ffi, module.lib


def oracle_delay(phi: float, rate: float, seed: int) -> tuple[float, float]:
    """Mean delay of the oracle at `INTERVAL`, and its standard error."""
    with tempfile.TemporaryDirectory() as directory:
        offi, olib = build("detector_oracle", directory)
        rng = np.random.default_rng(seed)
        state = offi.new("oracle *")
        state.rate = rate * math.sqrt((1.0 - phi) / (1.0 + phi))  # sigma 1 has innovations sqrt(1 - phi^2)
        state.lag = phi / (1.0 - phi)
        state.threshold = THRESHOLD[rate]
        state.stride = max(1, int(8 * 0.001 / rate))
        samples, alarms = 0, 0
        while alarms < ALARMS:
            white = rng.standard_normal(1 << 17)
            data, at = offi.from_buffer("double[]", white), 0
            while at < white.size:
                taken = olib.oracle_run(state, data + at, white.size - at)
                samples += taken or white.size - at
                at += taken or white.size
                if taken:
                    alarms += 1
                    olib.oracle_restart(state)
        state.threshold += math.log(INTERVAL * alarms / samples)
        warm = int(3.0 * rate ** (-2 / 3)) + 16
        tail = int(40 * (state.rate ** (-2 / 3)))
        ramp = np.concatenate([np.zeros(warm), state.rate * (np.arange(1, tail + 1) + state.lag)])
        found: list[int] = []
        while len(found) < RUNS:
            white = rng.standard_normal(ramp.size) + ramp
            olib.oracle_restart(state)
            alarm = olib.oracle_run(state, offi.from_buffer("double[]", white), white.size)
            if alarm > warm:
                found.append(alarm - warm)
        return float(np.mean(found)), float(np.std(found) / math.sqrt(len(found)))
