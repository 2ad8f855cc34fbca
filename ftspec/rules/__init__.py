"""Rules: what is wrong with a plan, one function a rule, one module a family."""
