"""What ``antiphon transcribe`` is made of: inputs, a server's or a local model's transcripts, files."""
