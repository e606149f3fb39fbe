"""Where packets go: one module a kind of sink."""
