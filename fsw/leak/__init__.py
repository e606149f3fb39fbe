"""Leak models: from pressure and temperature to inventory, leak rate, hole and time left."""
