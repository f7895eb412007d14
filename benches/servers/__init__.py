"""The SIP servers under test, behind one interface."""
