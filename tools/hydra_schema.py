"""Write schemas/hydra.schema.json from the annotations of the spec, the plan and the target."""

from pathlib import Path

from ftspec.backends.hydra.schema_export import schema_text

if __name__ == "__main__":
    (Path(__file__).resolve().parent.parent / "schemas" / "hydra.schema.json").write_text(schema_text(), encoding="utf-8")
