"""The RunPod worker: the same graph behind RunPod's queue, or behind its load balancer.

Replicas never import this package, and with it RunPod's SDK.
"""
