"""Tests of proxy/signals: values in, numbers out."""
