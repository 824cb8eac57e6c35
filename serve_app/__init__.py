"""The application around the models: configuration, gateway, entrances, command line."""
