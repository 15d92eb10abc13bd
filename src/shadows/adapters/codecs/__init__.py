"""How values become bytes and come back: the implementations of :class:`shadows.ports.codec.Codec`."""
