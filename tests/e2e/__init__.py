"""Real clients, real processes: what a user sees."""
