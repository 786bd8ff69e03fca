"""The real mail servers, and what they talk to in tests: the daemon, a broken daemon, a
SOCKS proxy in tor's place, and SMTP sinks."""
