"""Probes by themselves: replies in, findings out."""
