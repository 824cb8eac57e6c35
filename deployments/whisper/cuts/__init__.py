"""What is cut out of audio to be decoded by itself, and where it lies in the original."""
