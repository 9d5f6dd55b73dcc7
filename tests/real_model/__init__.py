"""Drift between real models: a small language model, and what quantising it or its chat template does to it."""
