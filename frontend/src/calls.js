// Scripts of the area calls.
