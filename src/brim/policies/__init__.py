"""Decisions as pure values and small state machines: told `now` and chance, they wait for nothing and do nothing.

Limits and windows say when an attempt may go, the retry policy whether and when a failed one is repeated, timeouts how
long an answer may take. The engine asks and acts.
"""
