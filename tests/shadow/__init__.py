"""Tests of proxy.shadow."""
