"""What a network needs on a device: the tensor arena and flash of a microcontroller, and the files that describe devices."""
