"""The spec: what the user wrote, typed. Optional fields are None, `auto` is `AUTO`."""
