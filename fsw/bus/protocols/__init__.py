"""One module a dialect; the module's name is the `dialect` of a board file."""
