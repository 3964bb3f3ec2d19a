"""What people touch: the library's client, the command line, the screen. Wiring and words, no decisions."""
