// Scripts of the area users.
