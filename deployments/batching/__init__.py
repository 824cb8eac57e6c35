"""Fair batches over all live requests; shared by the families whose engines run one batch at a time."""
