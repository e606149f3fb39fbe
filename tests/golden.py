"""A packet that is not of our own making: an alarm event made by two other implementations, decoded by two more."""

GOLDEN_ALARM = bytes.fromhex(
    "0864c0000038200504000000002f6ab13b801f9add110101010007002a014401010101080a"
    "39aa64c33951b71737388ca439aa64c30001e240deadbeef6c4a"
)
