"""Write what is generated from the spec's declarations: schemas/spec.schema.json and the tables of docs/language.md."""

from pathlib import Path

from ftspec.spec.field_tables import with_tables
from ftspec.spec.schema import schema_text

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Bring both files up to date."""
    (ROOT / "schemas" / "spec.schema.json").write_text(schema_text(), encoding="utf-8")
    page = ROOT / "docs" / "language.md"
    page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
