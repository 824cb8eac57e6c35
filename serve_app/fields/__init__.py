"""What a client may send, field by field; how texts, JSON and base64 are read and refused."""
