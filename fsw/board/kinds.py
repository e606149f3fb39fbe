"""The kinds of instrument, vessel and sink that are built in: one module each in the plug-in folders."""

import functools
import importlib
import pkgutil
from types import MappingProxyType, ModuleType

import fsw.bus.protocols
import fsw.leak
import fsw.sinks


@functools.cache
def _modules(package: str, mark: str) -> MappingProxyType[str, ModuleType]:
    """The folder's modules that have all of the names in `mark`, by module name."""
    found = {}
    for entry in pkgutil.iter_modules(importlib.import_module(package).__path__):
        module = importlib.import_module(f"{package}.{entry.name}")
        if all(hasattr(module, name) for name in mark.split()):
            found[entry.name] = module
    return MappingProxyType(found)


def dialects() -> MappingProxyType[str, ModuleType]:
    """What an instrument may speak: modules that offer what `fsw.bus.protocols` asks for."""
    return _modules(fsw.bus.protocols.__name__, "Options ChannelOptions exchanges timing unit")


def models() -> MappingProxyType[str, ModuleType]:
    """What a vessel may be: modules with `Options`, `INPUTS`, `OUTPUTS` and `model`."""
    return _modules(fsw.leak.__name__, "Options INPUTS OUTPUTS model")


def sinks() -> MappingProxyType[str, ModuleType]:
    """Where packets may go: modules with `Options` and `Sink`."""
    return _modules(fsw.sinks.__name__, "Options Sink")
