"""What the source's answers, and its silence, mean: the errors of :mod:`ingot.errors`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from ingot.errors import ConfigurationError, PayloadBroken, SourceRefused, SourceUnavailable
from ingot.fetch.limits import retry_after

AGAIN = "nothing was published; the next run asks again"

_WORTH_IT = {408, 425, 429}


def check(response: httpx.Response, url: str, *, hint: str = "look at the path and params in source.yaml") -> None:
    """Hold an answer's status to what goes on.

    Args:
        url: as it may be shown.
        hint: what to do about a refusal.

    Raises:
        SourceUnavailable: 5xx, 408, 425, 429; with the wait that the source asks for.
        SourceRefused: any other status but 2xx.
    """
    status = response.status_code
    if status >= 500 or status in _WORTH_IT:
        error = SourceUnavailable(f"{url} answered {status}.", url=url, hint=AGAIN)
        error.retry_after = retry_after(response.headers)
        raise error
    if not response.is_success:
        raise SourceRefused(f"{url} answered {status}.", url=url, hint=hint)


@contextmanager
def translated(url: str) -> Iterator[None]:
    """httpx's errors as ours.

    Args:
        url: as it may be shown.
    """
    try:
        yield
    except (httpx.RemoteProtocolError, httpx.DecodingError) as error:
        raise PayloadBroken(f"{url} broke off its answer: {error}.", url=url, hint=AGAIN) from error
    except httpx.TimeoutException as error:
        raise SourceUnavailable(
            f"{url} did not answer in time ({type(error).__name__}).", url=url, hint=AGAIN
        ) from error
    except httpx.UnsupportedProtocol as error:
        raise ConfigurationError(f"{url} cannot be asked: {error}", url=url, hint="correct base_url") from error
    except httpx.LocalProtocolError:
        # Its text may hold the header that cannot be sent, with a credential in it.
        raise ConfigurationError(
            f"What is asked of {url} cannot be sent: a header holds what none can carry.",
            url=url,
            hint="look at headers and auth in source.yaml, and at the values in the source's secret",
        ) from None
    except httpx.TransportError as error:
        raise SourceUnavailable(f"{url} cannot be reached: {error}.", url=url, hint=AGAIN) from error
    except httpx.TooManyRedirects as error:
        raise SourceRefused(
            f"{url} redirects without an end.", url=url, hint="look at the path and params in source.yaml"
        ) from error
