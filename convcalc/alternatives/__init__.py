"""What else a convolution could be: known factorisations, each made in the network and counted."""
