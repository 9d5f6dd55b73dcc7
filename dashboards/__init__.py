"""What people on call look at: Grafana dashboards, Prometheus rules, the runbook. Nothing here runs within the proxy.

Invariant: all of it names only metrics that the catalogue in proxy/metrics has.
"""
