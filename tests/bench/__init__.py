"""Tests of bench/: a wrong figure is worse than none."""
