"""Tests of what is in dashboards/: nothing in it may name a metric, a label or an anchor that is not there."""
