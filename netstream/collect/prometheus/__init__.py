"""
Series as Prometheus has them, which become charts: scraped, or written to us.
"""
