"""A local Azure: real HTTPS endpoints on loopback for Entra tokens, ARM and Resource Graph."""
