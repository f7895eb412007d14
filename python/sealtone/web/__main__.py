"""``python -m sealtone.web DATA``: the panel's process, started by the server."""

from sealtone.web.process import main

if __name__ == "__main__":
    main()
