"""Tests of proxy/contract."""
