"""What the native part computes, written once more in plain Python, from the ciphers' papers: slow, and independent."""
