"""Transcription with Whisper models: CTranslate2 engine, batching across requests, Ray Serve deployment."""
