"""Other memory estimators, each asked for the same plans with the fairest inputs that its interface takes.

A peer answers None for a plan that it cannot express: such a row is not covered, which is not an error of the peer.
"""
