"""What a file is, told from its bytes: the kinds that are read, and samples without a header."""
