"""What ``antiphon transcribe`` is made of: inputs, the two ways to a transcript, results, the progress bar."""
