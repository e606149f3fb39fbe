"""The C core, built from `csrc/`. The headers there are its only declaration; a misspelled name fails at import or first call."""

from typing import Any

from cffi import FFI

ffi: FFI
lib: Any
