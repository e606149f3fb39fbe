"""What an operator runs beside the monitor; readers of packets."""
