"""Ray Serve's configuration file, read strictly: every mistake with its line."""
