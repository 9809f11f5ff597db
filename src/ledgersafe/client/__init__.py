"""The API as who asks it sees it: commands and the console alike; over HTTP only."""
