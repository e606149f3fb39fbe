"""The C core, built from `csrc/`, whose headers are its only declaration."""

from typing import Any

from cffi import FFI

ffi: FFI
lib: Any
