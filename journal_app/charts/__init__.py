"""Charts: a ``Trend`` and a ``ChartStyle`` in, a matplotlib ``Figure`` out; the same on screen and in exports.

``catalog.CHARTS`` lists them. matplotlib is imported nowhere else, never through pyplot, and only
when this package is.
"""
