"""What happens to requests: admission, the request path, the clocks of an attempt, and the one task group.

The engine is the only layer that waits and the only one that reads the event loop's clock, so it runs unchanged in
virtual time. It is handed `record` and `emit` and knows neither journal nor screen.
"""
