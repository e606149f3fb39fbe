"""The `fsw` command. One module a subcommand in `fsw/commands`, imported only when it is called."""

import importlib
import pkgutil
import sys

import click

import fsw.commands


class Commands(click.Group):
    """The subcommands are the modules of `fsw.commands`; each holds a click command named `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, sorted."""
        return sorted(module.name for module in pkgutil.iter_modules(fsw.commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"fsw.commands.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run it. What the system refuses and no command foresaw (a full disk behind `>`) is an error in a line."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # whoever read what we print has seen enough; click ends quietly
            raise
        except OSError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ullage", prog_name="fsw")
def main() -> None:
    """Leak monitor for pressurised vessels and coolant loops.

    \b
    fsw check bench_rig          what a board file resolves to, or what is wrong with it
    fsw run bench_rig            monitor a rig
    fsw replay my_rig.toml night.csv     recorded data through the same monitor again
    fsw calibrate my_rig.toml night.csv  learn noise, temperature and zero leak from a healthy vessel
    fsw decode udp:127.0.0.1:10025 --board bench_rig
    """


if __name__ == "__main__":
    sys.exit(main())
