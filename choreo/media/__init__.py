"""Pictures out: controls drawn over frames, contact sheets, videos."""
