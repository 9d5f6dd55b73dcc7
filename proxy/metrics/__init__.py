"""Every Prometheus name, help text, label set and bucket list; nothing else may name a metric.

Not here: when something is counted. Invariant: a label value comes from configuration or from a closed set named here,
never from traffic, so the number of series is known before the first request.
"""
