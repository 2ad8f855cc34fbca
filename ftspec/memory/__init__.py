"""Memory of one GPU, term by term, at the moment of its peak."""
