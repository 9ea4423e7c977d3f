"""StatsD → Prometheus on a laptop: what prom/statsd-exporter does in compose, with the same mapping file.

statsd-exporter is a Go program that no package index of Python has and Debian has not either. What of it is needed here
is little: datagrams come in, rules of the mapping file name them, and prometheus_client keeps and shows the values.
"""
