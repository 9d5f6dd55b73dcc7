"""Replays: reading, preparing, asking, resuming, scoring."""
