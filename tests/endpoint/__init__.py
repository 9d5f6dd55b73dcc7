"""Calls of our own accord: how they end, and which are made again."""
