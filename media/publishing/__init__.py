"""Results of jobs that are uploaded to a bucket or a transfer.sh server."""
