"""What ``antiphon speak`` and ``antiphon voices`` are made of: the two ways to speech, files, the library."""
