"""Objects in one bucket, with our errors: a thin layer over boto3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from io import SEEK_END
from pathlib import Path
from typing import IO, Any, Protocol

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ingot.errors import BatchMissing, ConfigurationError, StorageUnavailable

_BLOCK = 2**20
_PART = 16 * 2**20
_MOST_PARTS = 10_000  # S3's own limit
_MISSING = ("NoSuchKey", "404", "NotFound")
_OURS = ("AccessDenied", "403", "NoSuchBucket", "InvalidBucketName", "KMS.DisabledException")


class SupportsWrite(Protocol):
    """What bytes can be written into."""

    def write(self, block: bytes, /) -> int: ...


@dataclass(frozen=True)
class Stored:
    """An object as a listing says it is: its key, its ETag without quotes, and when it was put (UTC)."""

    key: str
    etag: str
    modified: datetime


class ObjectStore:
    """One bucket. Calls are retried by boto3's own standard mode before they become an error.

    Every method raises :class:`StorageUnavailable` when S3 fails and :class:`ConfigurationError` when it refuses.
    """

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self._s3: Any = boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": 5}))

    def __reduce__(self) -> tuple[type[ObjectStore], tuple[str]]:
        return type(self), (self.bucket,)  # to another process it goes by its name, which has a client of its own

    def put(self, key: str, body: bytes) -> None:
        """Write an object; it is there whole or not at all."""
        with self._errors(key):
            self._s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def put_new(self, key: str, body: bytes) -> bool:
        """Write an object unless the key is taken; False if it is."""
        with self._errors(key):
            try:
                self._s3.put_object(Bucket=self.bucket, Key=key, Body=body, IfNoneMatch="*")
            except ClientError as error:
                if error.response["Error"]["Code"] in ("PreconditionFailed", "412"):
                    return False
                raise
        return True

    def put_file(self, key: str, content: IO[bytes], *, new: bool = True) -> bool:
        """Write all that an open file holds, in parts if it is large; it is there whole or not at all.

        Args:
            new: not if the key is taken: nothing is written then, and the answer is False.
        """
        condition = {"IfNoneMatch": "*"} if new else {}
        where = {"Bucket": self.bucket, "Key": key}
        size = content.seek(0, SEEK_END)
        content.seek(0)
        with self._errors(key):
            try:
                if size <= _PART:
                    self._s3.put_object(**where, Body=content.read(), **condition)
                else:
                    self._put_parts(where, content, max(_PART, -(-size // _MOST_PARTS)), condition)
            except ClientError as error:
                if error.response["Error"]["Code"] in ("PreconditionFailed", "412"):
                    return False
                raise
        return True

    def _put_parts(self, where: dict[str, str], content: IO[bytes], part: int, condition: dict[str, str]) -> None:
        upload = where | {"UploadId": self._s3.create_multipart_upload(**where)["UploadId"]}
        try:
            parts: list[dict[str, Any]] = []
            while body := content.read(part):
                number = len(parts) + 1
                answer = self._s3.upload_part(**upload, PartNumber=number, Body=body)
                parts.append({"PartNumber": number, "ETag": answer["ETag"]})
            self._s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **condition)
        except BaseException:
            self._s3.abort_multipart_upload(**upload)
            raise

    def upload(self, key: str, path: Path) -> None:
        """Write a file, in parts if it is large."""
        with self._errors(key):
            self._s3.upload_file(str(path), self.bucket, key)

    def get(self, key: str) -> bytes:
        """An object's bytes.

        Raises:
            BatchMissing: there is no such object.
        """
        with self._errors(key):
            body = self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            return bytes(body)

    def read_version(self, key: str, etag: str, into: SupportsWrite) -> bool:
        """Copy an object's bytes; False, and none, if it is another one by now, or gone."""
        with self._errors(key):
            try:
                body = self._s3.get_object(Bucket=self.bucket, Key=key, IfMatch=etag)["Body"]
            except ClientError as error:
                if error.response["Error"]["Code"] in ("PreconditionFailed", "412", *_MISSING):
                    return False
                raise
            for block in body.iter_chunks(_BLOCK):
                into.write(block)
        return True

    def find(self, key: str) -> bytes | None:
        """An object's bytes, or None if there is no such object.

        It lists before it reads: to a role that may list some prefixes only, S3 answers a read of what is not
        there like one that is forbidden.
        """
        return self.get(key) if key in self.keys(key) else None

    def download(self, key: str, path: Path) -> None:
        """An object into a file."""
        with self._errors(key):
            self._s3.download_file(self.bucket, key, str(path))

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys below a prefix, in order."""
        return (stored.key for stored in self.stored(prefix))

    def stored(self, prefix: str) -> Iterator[Stored]:
        """All objects below a prefix, in the order of their keys."""
        with self._errors(prefix):
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for item in page.get("Contents", ()):
                    yield Stored(item["Key"], item["ETag"].strip('"'), item["LastModified"])

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        where = f"s3://{self.bucket}/{key}"
        try:
            yield
        except (ClientError, Boto3Error) as error:
            # Transfers of files wrap what S3 answered in errors of their own.
            answer = error if isinstance(error, ClientError) else error.__context__
            code = answer.response["Error"]["Code"] if isinstance(answer, ClientError) else type(error).__name__
            if code in _MISSING:
                raise BatchMissing(f"{where} does not exist.", key=key, hint="run the step before") from error
            if code in _OURS:
                raise ConfigurationError(
                    f"{where} is refused: {code}.",
                    key=key,
                    hint="it does not exist (run the step before), or the job's role or bucket arguments are wrong",
                ) from error
            raise StorageUnavailable(f"S3 failed on {where}: {code}.", key=key, hint="try again") from error
        except BotoCoreError as error:
            raise StorageUnavailable(f"S3 failed on {where}: {error}.", key=key, hint="try again") from error
