"""One module a packet family: CCSDS space packets with a PUS-C secondary header."""
