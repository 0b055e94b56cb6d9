"""What a server imports: the only module that builds an application when it is imported. `served` is for a server with
an event loop (ASGI), `application` for others (WSGI)."""

from community_flow.app import OnEventLoop, create_app, start_background
from community_flow.settings import Settings

application = create_app(Settings.from_env())
start_background(application)
served = OnEventLoop(application)
