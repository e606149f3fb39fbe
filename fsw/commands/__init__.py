"""One module a subcommand of `fsw`; each holds a click command named `command`."""
