"""Ray and Serve started, watched until ready, stopped."""
