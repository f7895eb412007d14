"""``python -m sealtone.web DATA``: the panel's process, started by the server."""

import os

if os.getpgrp() != os.getpid():
    # Ctrl-C at the terminal is the server's, which ends this process in its turn. Not a session: those of Linux share
    # the CPU as equals (autogroup), whatever the priorities within them. What is imported below takes a while.
    os.setpgid(0, 0)

from sealtone.web.process import main

if __name__ == "__main__":
    main()
