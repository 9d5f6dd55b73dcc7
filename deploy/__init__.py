"""Ways to run Paramwall: container image, compose, Helm, kustomize, systemd. Each folder explains itself in README.md.

Here in Python: only what copies the rules and dashboards into the chart (copies.py). Nothing here is part of the wheel.
"""
