"""Postgres: the pool, transactions, named SQL, migrations, and the embedded server. The only room that runs psycopg."""
