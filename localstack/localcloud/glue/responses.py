"""The Glue operations that moto lacks, beside those that it has."""

from __future__ import annotations

from moto.core.responses import ActionResult
from moto.glue.exceptions import EntityNotFoundException
from moto.glue.responses import GlueResponse

from localcloud.glue.backend import Backend


class Responses(GlueResponse):
    """moto's, with UpdateJob, UpdateConnection, DeleteConnection and BatchStopJobRun, and with the job settings that
    moto would drop refused."""

    @property
    def _backend(self) -> Backend:
        backend = self.glue_backend
        assert isinstance(backend, Backend)
        return backend

    def create_job(self) -> ActionResult:
        self._backend.check_job(self._get_param("Name"), self.parameters)
        return super().create_job()

    def update_job(self) -> ActionResult:
        name = self._get_param("JobName")
        self._backend.update_job(name, self._get_param("JobUpdate"))
        return ActionResult({"JobName": name})

    def update_connection(self) -> ActionResult:
        self._backend.update_connection(self._get_param("Name"), self._get_param("ConnectionInput"))
        return ActionResult({})

    def delete_connection(self) -> ActionResult:
        self._backend.delete_connection(self._get_param("ConnectionName"))
        return ActionResult({})

    def batch_stop_job_run(self) -> ActionResult:
        name = self._get_param("JobName")
        stopped, errors = [], []
        for run_id in self._get_param("JobRunIds"):
            pair = {"JobName": name, "JobRunId": run_id}
            try:
                self._backend.get_job_run(name, run_id).request_stop()
                stopped.append(pair)
            except EntityNotFoundException as error:
                errors.append({**pair, "ErrorDetail": _detail("EntityNotFoundException", error.message)})
            except RuntimeError as error:
                errors.append({**pair, "ErrorDetail": _detail("InvalidInputException", str(error))})
        return ActionResult({"SuccessfulSubmissions": stopped, "Errors": errors})


def _detail(code: str, message: str) -> dict[str, str]:
    return {"ErrorCode": code, "ErrorMessage": message}
