"""All that setuptools cannot be told in pyproject.toml: the C extension is built by cffi."""

from setuptools import setup

setup(cffi_modules=["csrc/build_core.py:ffibuilder"])
