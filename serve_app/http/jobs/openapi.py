"""The job API's part of the OpenAPI document."""

from serve_app.http.jobs.runs import TTL_MS, WAIT_MS
from serve_app.http.openapi_parts import (
    BOOLEAN,
    JSON,
    STRING,
    Document,
    enum_of,
    json_answer,
    list_of,
    map_of,
    object_of,
    ref,
)
from serve_app.jobs.options import LONGEST_URL, WEEK_MS
from serve_app.jobs.types import BatchStatus, JobStatus

COUNT: Document = {"type": "integer", "minimum": 0}
ANY: Document = {}
STATUS = enum_of(JobStatus)
BATCH_STATUS = enum_of(BatchStatus)
ERRORS = {
    "400": "The body or a parameter is wrong; the sentence says what to change.",
    "401": "The API key is missing or wrong.",
    "404": "No such endpoint, job or batch, or it has expired.",
    "413": "The body is larger than this operation takes.",
    "429": "The queue is full or the endpoint's rate is reached; `Retry-After` says when to try again.",
    "500": "The server failed; its log has the details under the id in `x-request-id`.",
}

_COUNTS = ("requestTotal", "requestInProgress", "requestCompleted", "requestFailed", "createdAt")
SCHEMAS: Document = {
    "JobError": object_of(error=STRING),
    "JobStatus": object_of(id=STRING, status=STATUS),
    "Job": object_of(
        id=STRING,
        status=STATUS,
        output_=ANY,
        error_=STRING,
        delayTime_=COUNT,
        executionTime_=COUNT,
        workerId_=STRING,
        retries_=COUNT,
    ),
    "JobStream": object_of(status=STATUS, stream=list_of(object_of(output=ANY)), error_=STRING),
    "JobHealth": object_of(
        jobs=object_of(**dict.fromkeys(("completed", "failed", "inProgress", "inQueue", "retried"), COUNT)),
        workers=map_of(COUNT),
    ),
    "JobPurge": object_of(removed=COUNT, status={"const": "completed"}),
    "JobList": object_of(requests=list_of(ref("Job"))),
    "JobBatchStatus": object_of(id=STRING, status=BATCH_STATUS),
    "JobBatch": object_of(id=STRING, status=BATCH_STATUS, **dict.fromkeys(_COUNTS, COUNT)),
    "JobBatchList": object_of(batches=list_of(ref("JobBatch"))),
    "JobBatchPage": object_of(
        requests=list_of({"type": "object"}),
        **dict.fromkeys(("total", "offset", "limit"), COUNT),
        hasMore=BOOLEAN,
    ),
    "JobBatchRequest": object_of(id=STRING),
}
BODY: Document = {
    "type": "object",
    "properties": {
        "input": {"type": "object", "properties": {}, "description": "What the job is about; see the contracts."},
        "webhook": {"type": "string", "maxLength": LONGEST_URL, "description": "URL that is told of the end."},
        "policy": {
            "type": "object",
            "properties": {
                "executionTimeout": {"type": "integer", "minimum": 5_000, "maximum": WEEK_MS},
                "ttl": {"type": "integer", "minimum": TTL_MS[0], "maximum": TTL_MS[1]},
                "lowPriority": BOOLEAN,
            },
            "description": "Milliseconds of work, and from now until the job is dropped; whether others go first.",
        },
        "s3Config": {
            "type": "object",
            "properties": dict.fromkeys(
                ("endpointUrl", "accessId", "accessSecret", "bucketName", "objectPath"), STRING
            ),
            "description": "Where a big output is put.",
        },
    },
}
BATCH: Document = {
    "type": "object",
    "properties": {"requests": {**list_of(BODY), "description": "Bodies as of `run`."}},
}
WAIT = {"name": "wait", "in": "query", "schema": {"type": "integer", "minimum": WAIT_MS[0], "maximum": WAIT_MS[1]}}
TTL = {"name": "ttl", "in": "query", "schema": {"type": "integer", "minimum": TTL_MS[0], "maximum": TTL_MS[1]}}
HTTP_ERRORS = {"name": "http_errors", "in": "query", "schema": BOOLEAN}


def paths() -> Document:
    """Every path of the job API with its operations."""
    return {
        "/v2/{endpoint}/run": {"post": _post("runJob", "Queue a job.", "JobStatus", BODY)},
        "/v2/{endpoint}/runsync": {
            "post": _post("runJobSync", "Queue a job and wait for it.", "Job", BODY, WAIT, HTTP_ERRORS)
        },
        "/v2/{endpoint}/status/{id}": {"get": _get("jobStatus", "What became of a job.", "Job", TTL)},
        "/v2/{endpoint}/status-sync/{id}": {"get": _get("awaitJob", "The same, once it is over.", "Job", WAIT)},
        "/v2/{endpoint}/stream/{id}": {
            "get": _get("streamJob", "What a job has produced since the last call.", "JobStream")
        },
        "/v2/{endpoint}/cancel/{id}": {"post": _post("cancelJob", "Cancel a job.", "JobStatus")},
        "/v2/{endpoint}/retry/{id}": {"post": _post("retryJob", "Queue a failed job again.", "JobStatus")},
        "/v2/{endpoint}/purge-queue": {"post": _post("purgeQueue", "Drop all waiting jobs.", "JobPurge")},
        "/v2/{endpoint}/health": {"get": _get("endpointHealth", "Jobs and workers in numbers.", "JobHealth")},
        "/v2/{endpoint}/requests": {"get": _get("recentJobs", "The newest jobs.", "JobList")},
        "/v2/{endpoint}/batch": {
            "post": _post("createBatch", "Draft a batch.", "JobBatchStatus", BATCH),
            "get": _get("listBatches", "All batches.", "JobBatchList"),
        },
        "/v2/{endpoint}/batch/{id}": {"get": _get("retrieveBatch", "A batch's counters.", "JobBatch")},
        "/v2/{endpoint}/batch/{id}/requests": {
            "post": _post("addToBatch", "More requests for a draft.", "JobBatch", BATCH),
            "get": _get("batchRequests", "A page of a batch's requests.", "JobBatchPage"),
        },
        "/v2/{endpoint}/batch/{id}/requests/{request}": {
            "put": _post("replaceInBatch", "Replace a request of a draft.", "JobBatchRequest", BODY),
            "delete": _get("removeFromBatch", "Remove a request from a draft.", "JobBatchRequest"),
        },
        "/v2/{endpoint}/batch/{id}/finalize": {"post": _post("finalizeBatch", "Queue a draft.", "JobBatchStatus")},
        "/v2/{endpoint}/batch/{id}/cancel": {"post": _post("cancelBatch", "Cancel a batch.", "JobBatchStatus")},
        "/v2/{endpoint}/openai/{id}": {
            method: {
                "operationId": f"openai{method.capitalize()}",
                "summary": "Any route of the OpenAI API as a job, answered like the route itself.",
                "responses": {"200": {"description": "The route's own answer."}},
            }
            for method in ("get", "post")
        },
    }


def _post(
    operation: str, summary: str, answer: str, body: Document | None = None, *parameters: Document
) -> Document:
    document = _get(operation, summary, answer, *parameters)
    if body is not None:
        document["requestBody"] = {"required": True, "content": {JSON: {"schema": body}}}
    return document


def _get(operation: str, summary: str, answer: str, *parameters: Document) -> Document:
    errors = {status: json_answer(words, "JobError") for status, words in ERRORS.items()}
    return {
        "operationId": operation,
        "summary": summary,
        "parameters": list(parameters),
        "responses": {"200": json_answer(summary, answer), **errors},
    }
