"""Tests of proxy.scorer."""
