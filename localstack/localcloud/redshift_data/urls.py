"""The routes of the Redshift Data API, in the shape in which moto looks for them beside a backend."""

from moto.redshiftdata.urls import url_bases

from localcloud.redshift_data.responses import Responses

__all__ = ["url_bases", "url_paths"]

url_paths = {"{0}/$": Responses.dispatch}
