// Scripts of the area api.
