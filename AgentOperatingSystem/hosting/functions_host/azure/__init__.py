"""What the local Functions host needs of Microsoft's packages: two engines, and the pollers of queues and topics."""
