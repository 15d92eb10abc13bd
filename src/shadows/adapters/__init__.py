"""What the ports ask for, supplied: an adapter knows the world outside and no other adapter."""
