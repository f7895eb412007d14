"""SIP without input or output: messages, transactions, dialogs and sessions (RFC 3261 and its extensions)."""
