"""Pages for people: a module an area. What each names `router` or `routers` is served, what it names `run` is run.

`run(parts)` is a coroutine function that goes on until it is cancelled.
"""
