"""The panel and the API: what a person or a program sees of Sealtone over HTTPS."""
