"""Write schemas/hydra.schema.json from the annotations of the spec, the plan and the target."""

from pathlib import Path

from ftspec.backends.hydra.schema_export import schema_text

SCHEMA = Path(__file__).resolve().parent.parent / "schemas" / "hydra.schema.json"

if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), encoding="utf-8")
