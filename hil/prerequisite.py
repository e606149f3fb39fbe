"""What a command needs before it starts on something long: better told now than at its end."""

import sys
import tempfile
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

import click

MISSING = 2  # exit code


def check(libraries: Mapping[str, str], folders: Iterable[Path] = ()) -> None:
    """Make the folders. Exit with what is not installed (library -> the extra that has it) or cannot be written to."""
    missing = {library: extra for library, extra in libraries.items() if find_spec(library) is None}
    if missing:
        line = f"pip install 'ullage[{','.join(missing.values())}]'"
        click.echo(f"hil: {' and '.join(missing)} must be installed for this: {line}", err=True)
        sys.exit(MISSING)
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            click.echo(f"hil: {folder}: cannot be written to: {error.strerror}", err=True)
            sys.exit(MISSING)
