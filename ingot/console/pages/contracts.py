"""Contracts: what each stream's records must be, the versions that were in force, drift and the patch that takes it."""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter, HTTPException, Request, Response
from markdown_it import MarkdownIt
from markupsafe import Markup

from ingot.console.context import of
from ingot.console.pages.shared import deployed
from ingot.console.queries import streams
from ingot.console.web import page
from ingot.contract.page import contract_page
from ingot.errors import ConfigurationError
from ingot.sources import Source, Stream

router = APIRouter(prefix="/contracts")


@router.get("")
def overview(request: Request) -> Response:
    """All contracts, and whether what comes still fits them."""
    console = of(request)
    found = streams.overview(console.names, console.bronze, deployed(request).sources())
    return page(request, "contracts.html", title="Contracts", found=found)


@router.get("/{source}/{stream}")
def one(request: Request, source: str, stream: str) -> Response:
    """One contract: its page, its versions, its drift."""
    console = of(request)
    its, one = _find(request, source, stream)
    text = streams.contract_text(console.names, source, stream)
    return page(
        request,
        "contract.html",
        title=f"{source}.{stream}",
        source=its,
        stream=one,
        owner=streams.owner_of(text),
        drift=streams.recent_drift(console.bronze, source, one.contract),
        versions=streams.versions(console.warehouse, source, stream),
        recent=streams.RECENT,
        body=rendered(contract_page(its, one)),
        text=text,
    )


@router.get("/{source}/{stream}/patch")
def patch(request: Request, source: str, stream: str) -> Response:
    """The patch with which the newest batch would not differ, and how to take it."""
    console = of(request)
    its, one = _find(request, source, stream)
    refused, proposal = "", None
    try:
        proposal = streams.proposal(console.names, console.bronze, its, one)
    except ConfigurationError as error:
        # In an account the console may not read what was accepted; who calls the command may.
        refused = error.message
    return page(
        request,
        "contract_patch.html",
        title=f"A patch for {source}.{stream}",
        source=its,
        stream=one,
        proposal=proposal,
        refused=refused,
        lines=[(_kind(line), line) for line in proposal.diff.splitlines()] if proposal else [],
    )


def rendered(markdown: str) -> Markup:
    """Markdown of ours as HTML. What is HTML in it is shown as text: descriptions are written by others."""
    lines = markdown.splitlines()
    ours = ("<!--", "<details>", "</details>", "# ")
    kept = "\n".join(line for line in lines if not line.startswith(ours))
    return Markup(_markdown().render(kept))  # noqa: S704 - the renderer escapes all that is not its own


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def _find(request: Request, source: str, stream: str) -> tuple[Source, Stream]:
    found = streams.find(deployed(request).sources(), source, stream)
    if found is None:
        raise HTTPException(404, "There is no such stream among the deployed ones.")
    return found


def _kind(line: str) -> str:
    if line.startswith(("+++", "---", "@@")):
        return "at"
    return {"+": "add", "-": "del"}.get(line[:1], "same")
