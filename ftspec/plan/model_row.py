"""The model: a catalog row, a config.json or stated fields, and its exact parameter count."""

import os
from dataclasses import replace

from ftspec.catalog.huggingface import ConfigProblem, read_config
from ftspec.catalog.models import find_model
from ftspec.catalog.names import NoMatch
from ftspec.catalog.parameters import count_parameters
from ftspec.catalog.shape import ModelShape
from ftspec.catalog.shape_fields import ShapeProblem, shape_from_fields
from ftspec.plan.codes import BAD_CONFIG, CONFIG_REMARK, INCOMPLETE_SHAPE, MISSING_MODEL, UNKNOWN_MODEL
from ftspec.plan.ledger import Ledger
from ftspec.plan.model import ModelPlan
from ftspec.plan.no_match import report_no_match
from ftspec.spec.model import Model

_FROM = "model.from"


def _is_path(name: str) -> bool:
    return name.endswith(".json") or name.startswith(("./", "../", "/", "~"))


def _from_config(name: str, spec_path: str, ledger: Ledger) -> tuple[str, ModelShape] | None:
    path = os.path.join(os.path.dirname(spec_path), os.path.expanduser(name))
    row = read_config(path)
    if isinstance(row, ConfigProblem):
        ledger.report(BAD_CONFIG, _FROM, f'"{name}": {row.message}', row.help)
        return None
    if row.remark:
        ledger.report(CONFIG_REMARK, _FROM, f'"{name}": {row.remark}', "state what differs in the model block")
    ledger.given("model.id", _FROM)
    return row.id, row.shape


def _from_catalog(name: str, ledger: Ledger) -> tuple[str, ModelShape] | None:
    row = find_model(name)
    if isinstance(row, NoMatch):
        report_no_match(
            ledger, UNKNOWN_MODEL, _FROM, "model", name, row, "`ftspec catalog models` lists them; a path ends in .json"
        )
        return None
    ledger.look_up("model.id", row.id, row.source)
    return row.id, row.shape


def resolve_model(written: Model, name: str, spec_path: str, ledger: Ledger) -> ModelPlan | None:
    """The model with its shape, or None with a finding. A config.json is looked for beside the spec."""
    if written == Model():
        if not ledger.wrote_into("model"):
            ledger.report(
                MISSING_MODEL,
                "model",
                "the job names no model",
                'write model { from = "meta-llama/Llama-3.1-8B" }, or state its shape',
            )
        return None
    base: tuple[str, ModelShape] | None = None
    if written.from_ is not None:
        base = (
            _from_config(written.from_, spec_path, ledger)
            if _is_path(written.from_)
            else _from_catalog(written.from_, ledger)
        )
        if base is None:
            return None
    shape = base[1] if base else None
    if base is None or replace(written, from_=None) != Model():
        stated = shape_from_fields(written, shape)
        if isinstance(stated, ShapeProblem):
            ledger.report(
                INCOMPLETE_SHAPE, f"model.{stated.field}" if stated.field else "model", stated.message, stated.help
            )
            return None
        shape = ledger.derive(
            "model.shape", stated, "the fields of the model block" + (f" over {base[0]}" if base else "")
        )
    else:
        ledger.look_up("model.shape", shape, base[0])
    assert shape is not None  # one of the two branches above made it
    model_id = base[0] if base else ledger.derive("model.id", name, "the job's name")
    return ModelPlan(
        model_id, shape, ledger.derive("model.parameters", count_parameters(shape), "the sum over the shape's matrices")
    )
