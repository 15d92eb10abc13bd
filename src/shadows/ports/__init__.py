"""What the engine needs from the outside, as Protocols.  The docstring of a method is its contract."""
