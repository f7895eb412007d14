"""ZRTP: what a handshake costs beside libbzrtp, and what its suites cost a relayed packet."""
