"""The panel and the API: what a person or a program sees of Sealtone over HTTPS.

A process of its own (`process`), which the server starts and relays HTTPS connections to. It knows the database, and
the running server through its control socket, and never has a media key.
"""
