"""The job service over HTTP: RunPod's API at ``/v2/{endpoint}``."""
