"""Several settings in one text: `parallelism.tensor=4, training.micro_batch_size=2`."""

import re

_OPENS, _CLOSES = "([{", ")]}"
_NEXT = re.compile(r"\s*[\w.]+\s*=(?!=)")


def split_settings(text: str) -> list[str]:
    """The settings of a text, cut at commas outside of brackets and quotes that another `path=` follows: the commas
    of a list, of a function's arguments and of a string stay where they are.
    """
    parts, depth, quoted, escaped = [""], 0, False, False
    for place, character in enumerate(text):
        if quoted:
            quoted, escaped = character != '"' or escaped, character == "\\" and not escaped
        elif character == '"':
            quoted = True
        elif character in _OPENS or character in _CLOSES:
            depth += 1 if character in _OPENS else -1
        elif character == "," and depth == 0 and _NEXT.match(text, place + 1):
            parts.append("")
            continue
        parts[-1] += character
    return [part.strip() for part in parts]
