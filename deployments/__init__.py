"""One folder per model family, each useful without the others."""
