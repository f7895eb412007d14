"""What goes in and comes out, as JSON. Fields that are not known are refused, so that a typo never saves half."""
