"""Board files: what is on the rig, from TOML to every room's own settings."""
