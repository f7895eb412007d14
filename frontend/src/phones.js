// Scripts of the area phones.
