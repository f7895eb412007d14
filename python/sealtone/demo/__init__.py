"""`sealtone demo`: calls between two phones of our own, while a wiretap shows what it can see."""
