"""Transcription as entrances see it: fields, options, parser, formats of transcripts."""
