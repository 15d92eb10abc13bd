"""Redis and Valkey: each verb of the ports is one Lua script."""
