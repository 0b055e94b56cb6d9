"""What must survive: real processes, really killed, by pid, on loopback."""
