"""Builds `fsw._core` from `csrc/`: the headers, without their preprocessor lines, are the only declarations."""

import re
from pathlib import Path

from cffi import FFI

SOURCE = Path(__file__).parent
HEADERS = (  # those that Python may see, in dependency order
    "ull_status",
    "ull_table",
    "ull_network",
    "ull_median",
    "ull_hampel",
    "ull_moments",
    "ull_slope",
    "ull_noise",
    "ull_detector",
    "ull_onset",
    "ull_trace",
    "ull_step",
    "ull_watch",
    "ull_channel",
    "ull_fusion",
    "ull_limits",
    "ull_linux_rt",
)


def declarations(header: str) -> str:
    """The header as cffi reads it: `#define NAME integer` stays, every other preprocessor line goes."""
    kept = (
        line
        for line in header.splitlines()
        if not line.lstrip().startswith("#") or re.match(r"\s*#define\s+\w+\s+\d+\b", line)
    )
    return "\n".join(kept)


ffibuilder = FFI()
ffibuilder.cdef("\n".join(declarations((SOURCE / f"{header}.h").read_text()) for header in HEADERS))
ffibuilder.set_source(
    "fsw._core",
    "\n".join(f'#include "{header}.h"' for header in HEADERS),
    sources=[f"csrc/{source.name}" for source in sorted(SOURCE.glob("ull_*.c"))],
    depends=[f"csrc/{header.name}" for header in SOURCE.glob("*.h")],
    include_dirs=["csrc"],
    # nobody reads errno: roots in pairs; nobody else calls: a push is inlined in its batch
    extra_compile_args=["-std=c11", "-O2", "-fno-math-errno", "-fvisibility=hidden"],
)
