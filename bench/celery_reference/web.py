"""The webhook, with Django: runs in the worker's virtual environment, under gunicorn with gevent."""

# mypy: ignore-errors

from __future__ import annotations

import json

import jobs
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST


@csrf_exempt
@require_POST
def receive_events(request: HttpRequest) -> HttpResponse:
    """Receive one event or a list: commit which endpoints are awake, then enqueue a job for those with operations
    queued."""
    try:
        posted = json.loads(request.body)
        registrations = [event["data"]["registration"] for event in (posted if isinstance(posted, list) else [posted])]
        registered = {one["endpoint"]: one["registrationId"] for one in registrations}
    except (ValueError, KeyError, TypeError):
        return _answer(400, error="no event of Leshan")
    for endpoint in jobs.awake(registered):
        jobs.dispatch.delay(endpoint)
    return _answer(202, accepted=len(registrations))


def _answer(status: int, **facts: object) -> HttpResponse:
    body = json.dumps(facts).encode()
    return HttpResponse(body, "application/json", status, headers={"Content-Length": str(len(body))})


urlpatterns = [path("leshan/events", receive_events)]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], MIDDLEWARE=[], USE_TZ=True)
application = get_wsgi_application()
