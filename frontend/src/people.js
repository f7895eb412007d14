// Scripts of the area people.
