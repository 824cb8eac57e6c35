"""Speech synthesis with fish-speech 1.5 and 1.1: networks, codecs, text, batches that grow frame by frame."""
