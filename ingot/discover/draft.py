"""What a sample leads to: the drafts of a source's files, whatever the sample is of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from ingot.contract.model import Contract, load_contract
from ingot.contract.shape import VALUES
from ingot.discover import keys
from ingot.discover.dry_run import Answer, DryRun, dry_run
from ingot.discover.fields import Field, Properties, Said, likely_set
from ingot.discover.questions import Questions
from ingot.discover.silver import model_files
from ingot.discover.text import document
from ingot.discover.write import generated_files
from ingot.documents import read_document
from ingot.errors import ConfigurationError
from ingot.request import Auth

WRITTEN = 'Written by "ingot source new" from a sample. What is behind a value stands beside it; edit it as you like.'
"""What stands above each file."""

_LIMITATIONS = "Read from a sample: what it did not show, this does not know."


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a person said; what is empty is inferred, or asked.

    Attributes:
        name: the source's.
        url: of the first answer, with its parameters; or a file.
        stream: what its records are called.
        title: how people call the source.
        base_url: the part of the URL that all streams share.
        records: where the records are in an answer.
        key: the fields that identify a record.
        cursor: ``field=parameter``: the parameter asks for what changed since; ``none``: there is none.
        lookback: how far before the watermark a batch begins.
        auth: how credentials go onto requests.
        secret: their values, by the secret's field.
        headers: sent with each request.
        next_param: the parameter that takes the cursor of the next page; ``none``: there is one page.
        classes: classifications, by the path of a field.
        schedule: a cron expression.
        start_date: the first day.
        max_reject_rate: the share of refused records that stops a batch.
        pages, further: how many pages are sampled, and how many more are held to what was inferred.
        requests: how many requests may be sent to find out how pages follow each other.
        per_second: how many a second.
        files: how a file is read, as ``files:`` declares it.
        declared: the ``source.yaml`` of the source that gets one more stream; empty: the source is new.
    """

    name: str
    url: str
    stream: str = ""
    title: str = ""
    base_url: str = ""
    records: str = ""
    key: tuple[str, ...] = ()
    cursor: str = ""
    lookback: str = ""
    auth: Auth | None = None
    secret: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    next_param: str = ""
    classes: Mapping[str, str] = field(default_factory=dict)
    schedule: str = "@daily"
    start_date: date
    max_reject_rate: float = 0.1
    pages: int = 10
    further: int = 3
    requests: int = 60
    per_second: float = 5.0
    files: Mapping[str, str] = field(default_factory=dict)
    declared: str = ""


@dataclass
class Draft:
    """A source that is not written yet.

    Attributes:
        name, stream: what it is called.
        texts: the files of its folder, by name.
        contract: of its stream.
        models: the files of its Silver models, by name.
        sampled, further: the gate's verdict on the sample, and on the pages behind it.
        whole: whether the sample is all that the source has.
        requests: how many were sent.
        personal: the fields that are classified as personal or secret: their classification, and why.
        left_out: what no contract can say, and why.
        evidence: what was found, in words.
        added: the source was there, and gets one more stream.
    """

    name: str
    stream: str
    texts: dict[str, str]
    contract: Contract
    models: dict[str, str]
    sampled: DryRun
    further: DryRun | None
    whole: bool
    requests: int
    personal: dict[str, tuple[str, str]]
    left_out: dict[str, str]
    evidence: dict[str, str]
    added: bool = False

    def files(self, *, sources: Path, dbt: Path, docs: Path | None) -> dict[Path, str]:
        """Every file that belongs to it, also what is generated.

        Raises:
            ConfigurationError: what was inferred is no source after all, or another source is wrong.
        """
        found = {sources / self.name / name: text for name, text in self.texts.items()}
        found |= generated_files(self.name, self.texts, sources=sources, dbt=dbt, docs=docs, keep=self.added)
        return found | {dbt / "models" / "silver" / self.name / name: text for name, text in self.models.items()}


class Drafting:
    """What is the same for every kind of source.

    Args:
        wanted: what a person said.
        stream: what the records are called.
        questions: who answers what cannot be seen.
    """

    def __init__(self, wanted: Wanted, stream: str, questions: Questions) -> None:
        self._wanted, self._stream, self._questions = wanted, stream, questions
        self._evidence: dict[str, str] = {}

    def head(self) -> dict[str, Any]:
        """How ``source.yaml`` begins."""
        wanted = self._wanted
        schedule = Said(wanted.schedule, "not seen: how often it changes")
        return {
            "#": [WRITTEN],
            "name": wanted.name,
            "title": wanted.title or wanted.name.replace("_", " ").capitalize(),
            "schedule": schedule if wanted.schedule == "@daily" else wanted.schedule,
            "start_date": Said(wanted.start_date, "the first day that is taken"),
        }

    def drafted(
        self,
        pages: Sequence[Answer],
        entry: Callable[[Field], dict[str, Any]],
        *,
        further: Sequence[Answer] = (),
        whole: bool,
        requests: int = 0,
        called: str = "pages",
    ) -> Draft:
        """The draft that some records lead to.

        Args:
            pages: what the contract is read from.
            entry: what ``source.yaml`` says, for the records that were seen.
            further: what is only held to it.
            whole: whether that is all there is.
            requests: how many were sent.
            called: what the pages are.

        Raises:
            ConfigurationError: there is no record, or something cannot be seen, and nobody answers.
        """
        wanted = self._wanted
        record = Field("record")
        decoded: dict[bytes, dict[str, Any]] = {}
        for raw in (raw for page in pages for raw in page.records):
            try:
                value = VALUES.decode(raw)
            except (ValueError, RecursionError):
                continue  # the gate will say so
            if isinstance(value, dict):
                record.add(value)
                decoded[raw] = value
        records = list(decoded.values())
        if not records:
            raise ConfigurationError("There is no record to learn from.", source=wanted.name, hint="look at --records")
        key = self._key(records, record)
        properties = Properties(wanted.classes)
        entries = properties.of(record, key.names, key.why)
        unknown = set(wanted.classes) - set(_paths(entries))
        if unknown:
            raise ConfigurationError(
                f"There is no field {sorted(unknown)[0]!r}.",
                hint=f"--classify takes one of {', '.join(_paths(entries))}",
            )
        part = "all that there is" if whole else "a part of what there is"
        size = f"{sum(len(page.records) for page in pages)} records in {len(pages)} {called}, {part}"
        contract_text = document(self._contract(entries, properties.left_out, size))
        contract = load_contract(contract_text, origin=f"{self._stream}.odcs.yaml")
        texts = {
            "source.yaml": self._declared(entry(record)),
            f"{self._stream}.odcs.yaml": contract_text,
        }
        return Draft(
            name=wanted.name,
            stream=self._stream,
            texts=texts,
            contract=contract,
            models=model_files(wanted.name, self._stream, contract, values=_values(record, contract)),
            sampled=dry_run(contract, pages),
            further=dry_run(contract, further) if further else None,
            whole=whole,
            requests=requests,
            personal=properties.personal,
            left_out=properties.left_out,
            evidence=self._evidence,
            added=bool(wanted.declared),
        )

    def _declared(self, entry: dict[str, Any]) -> str:
        """``source.yaml``: new, or what it was with one more stream at its end."""
        before = self._wanted.declared
        if not before:
            return document(entry)
        known = read_document(before, origin="source.yaml")["streams"]
        if self._stream in known:
            raise ConfigurationError(
                f"There is a stream {self._stream} already.", source=self._wanted.name, hint="give another --stream"
            )
        last = [line for line in before.splitlines() if line[:1].strip() not in ("", "#")][-1]
        if last.split("#")[0].strip() != "streams:":
            raise ConfigurationError(
                "The streams do not stand at the end of source.yaml, in lines of their own.",
                source=self._wanted.name,
                hint="move them there",
            )
        _, _, stream = document({"streams": entry["streams"]}).partition("\n")
        return f"{before.rstrip()}\n{stream}"

    def _key(self, records: list[dict[str, Any]], record: Field) -> keys.Key:
        if self._wanted.key:
            for name in self._wanted.key:
                if name not in record.members:
                    raise ConfigurationError(
                        f"The key {name!r} is no field of a record.", hint=f"--key takes {', '.join(record.members)}"
                    )
            found = keys.given(self._wanted.key, records)
        else:
            candidates = keys.candidates(records, record, self._stream)
            if keys.is_clear(candidates):
                found = candidates[0]
            else:
                likely = (
                    candidates[0].text if candidates and candidates[0].likely > 1 and len(candidates) == 1 else None
                )
                chosen = self._questions.choose(
                    "Which field, or which fields together, identify a record?",
                    [(each.text, each.why) for each in candidates[:8]],
                    option="--key FIELD[,FIELD]",
                    default=likely,
                )
                self._wanted = replace(self._wanted, key=tuple(part.strip() for part in chosen.split(",")))
                known = next((each for each in candidates if each.text == chosen), None)
                found = known or self._key(records, record)
        self._evidence["key"] = f"{found.text}: {found.why}"
        return found

    def _contract(self, entries: list[dict[str, Any]], left_out: dict[str, str], size: str) -> dict[str, Any]:
        wanted, name = self._wanted, self._stream
        notes = [
            f"left out: {path}: {why}; it is kept in Bronze, and reported as drift" for path, why in left_out.items()
        ]
        return {
            "#": [WRITTEN, f"The sample: {size}.", *notes],
            "apiVersion": "v3.1.0",
            "kind": "DataContract",
            "id": f"urn:ingot:{wanted.name}:{name}",
            "name": f"{wanted.name.replace('_', ' ').capitalize()} {name.replace('_', ' ')}",
            "version": "1.0.0",
            "status": "active",
            "dataProduct": wanted.name,
            "description": {
                "purpose": Said(f"{name.replace('_', ' ').capitalize()} of {wanted.name}.", "to be written"),
                "limitations": _LIMITATIONS,
            },
            "customProperties": [
                {
                    "property": "maxRejectRate",
                    "value": Said(wanted.max_reject_rate, "not seen: above it a batch is not published"),
                }
            ],
            "schema": [
                {
                    "name": name,
                    "logicalType": "object",
                    "physicalType": "table",
                    "description": f"One record per {name.replace('_', ' ')} entry.",
                    "properties": entries,
                }
            ],
        }


def _paths(entries: list[dict[str, Any]], prefix: str = "") -> list[str]:
    found = []
    for entry in entries:
        path = f"{prefix}{entry['name']}"
        found.append(path)
        found += _paths(entry.get("properties", []), f"{path}.")
        found += _paths(entry.get("items", {}).get("properties", []), f"{path}.[].")
    return found


def _values(record: Field, contract: Contract) -> dict[str, list[str]]:
    found = {}
    for column in contract.columns:
        one: Field | None = record
        for name in column.path:
            one = one.members.get(name) if one is not None else None
        if one is not None and column.property.classification in ("public", "internal") and (few := likely_set(one)):
            found[column.name] = few
    return found
