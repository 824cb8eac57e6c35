"""The RunPod worker: the graph behind RunPod's queue or load balancer, never imported by replicas."""
