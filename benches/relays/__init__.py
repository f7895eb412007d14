"""The relays under test, behind one interface."""
