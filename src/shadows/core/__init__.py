"""Values and rules: no await, no clock, no I/O, no logging.  Facts go in, decisions come out."""
