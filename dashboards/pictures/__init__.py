"""Pictures of the dashboards, drawn from live data with Grafana's own component library in a headless browser.

    (cd dashboards/pictures && npm ci --ignore-scripts --legacy-peer-deps)
    python -m dashboards.pictures http://127.0.0.1:9090 --minutes 15

Here: the page (page/, JavaScript), the server beneath it, and the browser. Not here: the dashboards. Invariant: a panel
that fails to draw fails the command; what Grafana keeps to itself (state timeline, heatmap) is drawn by hand, and says
so.
"""
