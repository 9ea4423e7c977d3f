"""dlt: pages of JSON → normalised tables of orders and lines → Postgres; `append` or `merge`."""

import json
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

PLACE = tempfile.mkdtemp()
os.environ |= {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "NORMALIZE__WORKERS": "2",
    "NORMALIZE__START_METHOD": "spawn",
    "LOAD__WORKERS": "2",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "100000",
    "DATA_WRITER__FILE_MAX_ITEMS": "100000",
    "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
    "DLT_DATA_DIR": PLACE,
}

import dlt  # noqa: E402
import orjson  # noqa: E402
import requests  # noqa: E402

ADDRESS = "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{DBNAME}".format(
    **{name.removeprefix("INGOT_WAREHOUSE_"): value for name, value in os.environ.items() if "INGOT_WAREHOUSE_" in name}
)


def pages():
    with requests.Session() as session:
        page = 1
        while True:
            answer = session.get(f"{os.environ['BENCH_STORE']}/carts", params={"page": page, "limit": 1000})
            answer.raise_for_status()
            records = orjson.loads(answer.content)
            if not records:
                return
            yield records
            page += 1


def main(disposition):
    carts = dlt.resource(pages, name="carts", write_disposition=disposition, primary_key="id")
    destination = dlt.destinations.postgres(ADDRESS)
    pipeline = dlt.pipeline("bench", pipelines_dir=str(Path(PLACE) / "p"), destination=destination, dataset_name="dlt")
    pipeline.run(carts, loader_file_format="csv")
    with pipeline.sql_client() as client:
        ((orders,),) = client.execute_sql("select count(*) from carts")
        ((lines,),) = client.execute_sql("select count(*) from carts__products")
    print(json.dumps({"orders": orders, "lines": lines, "versions": {"dlt": version("dlt")}}))


if __name__ == "__main__":
    main(sys.argv[1])
