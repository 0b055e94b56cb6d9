"""What a WSGI server imports: the only module that builds an application when it is imported."""

from community_flow.app import create_app, start_background
from community_flow.settings import Settings

application = create_app(Settings.from_env())
start_background(application)
