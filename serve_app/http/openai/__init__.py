"""OpenAI's API: a file per route, its events, its errors, its part of the document."""
