"""The Ullage bench: fakes the instruments, the wire and the plant behind them, and proves `fsw` against them."""
