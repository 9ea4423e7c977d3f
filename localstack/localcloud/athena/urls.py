"""The routes of Athena, in the shape in which moto looks for them beside a backend."""

from moto.athena.urls import url_bases

from localcloud.athena.responses import Responses

__all__ = ["url_bases", "url_paths"]

url_paths = {"{0}/$": Responses.dispatch}
