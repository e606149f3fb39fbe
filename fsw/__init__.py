"""Ullage flight software: reads pressure and temperature instruments, finds leaks, sends alarm frames."""
