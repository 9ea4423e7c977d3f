"""The reference of the settings: `source.yaml`, contracts, `infra/settings.yaml`, environment variables."""

from __future__ import annotations

from docs.generator.environment import VARIABLES
from docs.generator.structs import Struct, fields, sections, summary
from infra.delivery.settings import Delivery
from infra.settings import Settings
from ingot import sources
from ingot.contract import model
from ingot.markdown import blocks, table

SAID_BY: dict[Struct, Struct] = {sources._SourceFile: sources.Source, sources._StreamEntry: sources.Stream}
"""The structs of a file, and those that the code works with: these say what the fields mean."""

CUSTOM_PROPERTIES = {
    "maxRejectRate": (
        "the contract",
        "number from 0 to 1",
        "`0`",
        "the share of refused records above which a batch is not published.",
    ),
    "sparse": ("a field", "`true` or `false`", "`false`", "whole batches may lack the field without that being drift."),
    "sourceForm": (
        "a field",
        "`epochMillis`, `epochSeconds` or `textOrNumber`",
        "",
        "how the source writes its values, where that is not as its type is written "
        "([how](../sources.md#how-it-is-asked)).",
    ),
}
"""Those ``customProperties`` that Ingot reads: of what, type, default and meaning."""

_AWS = "`AWS_ENDPOINT_URL`, `AWS_DEFAULT_REGION`, `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and the others are boto3's own."


def settings_page() -> str:
    """The page, in Markdown."""
    custom = ((f"`{name}`", *said) for name, said in CUSTOM_PROPERTIES.items())
    variables = ((f"`{name}`", *said) for name, said in VARIABLES.items())
    return blocks(
        [
            "# Settings",
            '<!-- Generated from code by "make docs"; do not edit. -->',
            "Everything that can be set, and where: [a source](#a-source), [a contract](#a-contract),"
            " [an environment](#an-environment), [the delivery](#the-delivery),"
            " [environment variables](#environment-variables)."
            " An unknown field is an error, wherever it stands.",
            "## A source",
            "`sources/{source}/source.yaml`: what is taken, from where and how.",
            *_file(sources._SourceFile, "source.yaml"),
            "## A contract",
            "`sources/{source}/{stream}.odcs.yaml`, in the Open Data Contract Standard v3.1. The standard has more"
            " fields that describe; these are the ones that Ingot acts on.",
            *_file(model.Property, "schema.properties[]"),
            "### The custom properties that Ingot reads",
            table(("property", "of", "type", "default", "meaning"), custom),
            "## An environment",
            "`infra/settings.yaml`: a key an environment. `${NAME}` in a value takes an environment variable.",
            *_file(Settings, "environment"),
            "## The delivery",
            "`infra/settings.yaml`, the key `delivery`: what deploys the environments ([how](../how-to/delivery.md)).",
            *_file(Delivery, "delivery"),
            "## Environment variables",
            _AWS,
            table(("variable", "who reads it", "meaning"), variables),
        ]
    )


def _file(struct: Struct, path: str) -> list[str]:
    every = sections(struct, path)
    parts = []
    for section in every:
        parts += [f"### {section.title}", summary(section.struct), fields(section, every, SAID_BY)]
    return [part for part in parts if part]
