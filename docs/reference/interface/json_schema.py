"""Write v0/schema.json from v0/schema.py: one source, for readers in any language."""

from __future__ import annotations

import json
import pathlib
import runpy

V0 = pathlib.Path(__file__).parent / "v0"


def json_schema() -> str:
    """Return the provider's application databag as JSON Schema (draft 2020-12)."""
    model = runpy.run_path(str(V0 / "schema.py"))["SmtpProviderData"]
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema"
    } | model.model_json_schema()
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    (V0 / "schema.json").write_text(json_schema())
