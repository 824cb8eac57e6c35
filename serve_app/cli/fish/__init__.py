"""What ``antiphon fish`` is made of: checkpoints by their paths, codes in files, the language model by itself."""
