"""The API for programs: a module an area, found as those of `pages` are."""
