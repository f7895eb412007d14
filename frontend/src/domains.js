// Scripts of the area domains.
