"""Drivers that join the pure objects to the network, the media core and the store."""
