"""What the tests of the real binary stand on: real tor and unbound, a scripted DNS
server, the daemon itself and its clients. Standard library only."""
