"""Mail over a real Tor network that never leaves loopback."""
