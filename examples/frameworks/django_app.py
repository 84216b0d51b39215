"""Django: a middleware sets the context of every request. Patch in `settings.py` or in `AppConfig.ready()`."""

from collections.abc import Callable

import django
import openai
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from autolog import autolog

settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=[f"{__name__}.LoggedRequests"], SECRET_KEY="example"
)
autolog.patch_openai()


class LoggedRequests:
    """A middleware that records a request's user with every call, and makes each request one trace."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.GET.get("user")  # with django.contrib.auth: str(request.user.pk)
        with autolog.context(user=user, tags=["web"]), autolog.span(f"{request.method} {request.path}", kind="chain"):
            return self.get_response(request)


def capital(_: HttpRequest) -> HttpResponse:
    messages = [{"role": "user", "content": "What is the capital of Portugal?"}]
    answer = openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=messages)
    return HttpResponse(answer.choices[0].message.content)


django.setup()
from django.urls import path  # noqa: E402 - needs the settings

urlpatterns = [path("capital", capital)]

if __name__ == "__main__":
    from django.test import Client

    print(Client().get("/capital", {"user": "user:42"}).content.decode())
