"""What ``antiphon speak`` and ``antiphon voices`` are made of: a server's speech or a local model's, files."""
