"""Tests of proxy.report."""
