"""The contract of RunPod's worker-faster_whisper."""
